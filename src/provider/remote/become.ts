/** Shell text that becomes another user with what an image may have for it. */

/**
 * `become` sets `as`, the words before a command that is to run as u, g and gs of `who`; it fails where the image has no program for that.
 * Each is tried: BusyBox has a setpriv and a chroot too, which cannot do it.
 */
export const BECOME = `become() { as=; [ "$u" = 0 ] && [ "$gs" = 0 ] && return 0
as="setpriv --reuid $u --regid $g --groups $gs"; $as true 2>/dev/null && return 0
as="chroot --userspec=$u:$g --groups=$gs --skip-chdir /"; $as true 2>/dev/null; }`;
