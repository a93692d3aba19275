/** The lines that every display prints for good, whatever else it shows. */
import type { RunEvent } from '../model/event.js';
import { providerTitle } from '../model/words.js';
import type { Progress } from './progress.js';
import type { Palette } from './screen.js';
import { plain, plural } from './text.js';
import { retryLine } from './trial-line.js';

/** Permanent lines for an event that is not a finished trial; usually none. */
export function announce(event: RunEvent, progress: Progress, paint: Palette): string[] {
  switch (event.type) {
    case 'run_started':
      return [paint.bold(`plumbline ${event.run.plumbline_version}, run ${plain(event.run.name)}`)];
    case 'run_planned':
      return event.providers.map((provider) => {
        if (provider.status !== 'ran') {
          return paint.warn(
            `${providerTitle(provider)} is ${provider.status}: ${plain(provider.reason ?? 'no reason was given')}`,
          );
        }
        const count = event.trials.filter((trial) => trial.provider === provider.name).length;
        return `${providerTitle(provider)}: ${plural(count, 'trial')}, ${provider.concurrency} at a time`;
      });
    case 'run_resumed':
      return [`resumed, ${plural(event.kept.length, 'trial')} kept`];
    case 'attempt_finished': {
      if (!event.will_retry) return [];
      const [provider = '', name = ''] = splitKey(event.trial);
      const trial = progress
        .running()
        .find(({ planned }) => planned.provider === provider && planned.trial_name === name);
      return [retryLine(plain(trial?.planned.task ?? name), progress.titleOf(provider), event.attempt, paint)];
    }
    case 'image_finished':
      if (event.error === null) return [];
      return [paint.bad(`image ${plain(event.image)} on ${progress.titleOf(event.provider)}: ${plain(event.error)}`)];
    case 'warning':
      return event.trial === null ? [paint.warn(`warning ${event.warning.code}: ${plain(event.warning.message)}`)] : [];
    case 'interrupted':
      return [paint.warn(`${event.signal}: stopping, sandboxes are being deleted; a second one leaves at once`)];
    default:
      return [];
  }
}

function splitKey(key: string): [string, string] {
  const slash = key.indexOf('/');
  return [key.slice(0, slash), key.slice(slash + 1)];
}
