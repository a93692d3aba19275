/** Certificates that nobody vouches for: what every TLS stack under us says of them, and what to do. */
import { causeChain, errorMessage } from './cause-chain.js';

/** OpenSSL's words and Node's codes for them; rustls' (`invalid peer certificate: UnknownIssuer`). */
const UNTRUSTED =
  /UNABLE_TO_(?:GET_ISSUER|VERIFY_LEAF)|SELF_SIGNED_CERT|unable to (?:get|verify) .*certificate|self[- ]signed certificate|invalid peer certificate|UnknownIssuer/i;

export const CERTIFICATE_FIX = 'set NODE_EXTRA_CA_CERTS to a file with the certificate of its authority';

/** Whether an error, or one beneath it, is about a certificate of an authority that is not known here. */
export function isUntrusted(error: unknown): boolean {
  return [errorMessage(error), ...causeChain(error).map(({ message }) => message)].some((text) => UNTRUSTED.test(text));
}
