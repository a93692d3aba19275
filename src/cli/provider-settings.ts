/** `--ek`: settings of the remote providers, checked before anything is opened. */
import { settingComplaint } from '../provider/remote/settings.js';
import { assignments } from './run-settings.js';
import { UsageError } from './usage-error.js';

/** By full name. @throws UsageError for a name that there is not, and for a value that it cannot have */
export function providerSettings(values: readonly string[]): Record<string, string> {
  const settings = assignments('--ek', values);
  const complaint = settingComplaint(settings);
  if (complaint !== null) throw new UsageError(complaint.message, complaint.fix);
  return settings;
}
