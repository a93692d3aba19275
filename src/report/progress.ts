/** The state of a run that still goes on, as every live display needs it. */
import { providerTitles } from '../compare/provider-title.js';
import type { RunEvent } from '../model/event.js';
import type { Outcome } from '../model/words.js';
import { providerTitle } from '../model/words.js';
import { RunFolder, type RunningTrial } from '../record/fold.js';

export interface ProviderProgress {
  readonly name: string;
  /** As it is shown. */
  readonly title: string;
  readonly concurrency: number;
  planned: number;
  done: number;
}

export interface Progress {
  /** Takes the next event; events before run_started are left out. */
  apply(event: RunEvent): void;
  /** In the order in which they started. */
  running(): RunningTrial[];
  readonly planned: number;
  readonly done: number;
  readonly outcomes: Readonly<Record<Outcome, number>>;
  readonly providers: readonly ProviderProgress[];
  /** How a provider of the plan is shown. */
  titleOf(provider: string): string;
  /** Images that are being prepared, `<provider> <image>`, in the order in which they started. */
  readonly images: readonly string[];
}

/** Counts include control trials: they take slots and time like any other. */
export function createProgress(): Progress {
  const folder = new RunFolder();
  const outcomes: Record<Outcome, number> = { pass: 0, fail: 0, error: 0, unsupported: 0, cancelled: 0, not_run: 0 };
  const finished = new Set<string>();
  const images = new Set<string>();
  let providers: ProviderProgress[] = [];
  let titleOf = (name: string) => name;
  let planned = 0;
  let started = false;
  const imageOf = ({ provider, image }: { provider: string; image: string }) => `${titleOf(provider)} ${image}`;
  return {
    apply(event) {
      started ||= event.type === 'run_started';
      if (!started) return;
      folder.apply(event);
      if (event.type === 'run_planned') {
        planned = event.trials.length;
        titleOf = providerTitles(event.providers);
        providers = event.providers
          .filter((provider) => provider.status === 'ran')
          .map(({ name, emulated, concurrency }) => ({
            name,
            title: providerTitle({ name, emulated }),
            concurrency,
            planned: event.trials.filter((trial) => trial.provider === name).length,
            done: 0,
          }));
      } else if (event.type === 'image_started') images.add(imageOf(event));
      else if (event.type === 'image_finished') images.delete(imageOf(event));
      else if (event.type === 'trial_finished') {
        const { provider, trial_name, outcome } = event.record;
        const key = `${provider}/${trial_name}`;
        if (finished.has(key)) return;
        finished.add(key);
        outcomes[outcome] += 1;
        const own = providers.find(({ name }) => name === provider);
        if (own) own.done += 1;
      }
    },
    running: () => folder.running(),
    titleOf: (provider) => titleOf(provider),
    get planned() {
      return planned;
    },
    get done() {
      return finished.size;
    },
    outcomes,
    get providers() {
      return providers;
    },
    get images() {
      return [...images];
    },
  };
}

/** The phase a trial is in, when it began (milliseconds), and its limit in seconds; null between phases. */
export function currentPhase({
  progress,
}: RunningTrial): { name: string; since: number; limitSec: number | null } | null {
  const open = progress.open.at(-1);
  if (!open) return null;
  const name = open.step === null ? open.phase : `${open.phase} ${open.step}`;
  return { name, since: Date.parse(open.startedAt), limitSec: open.limitSec };
}
