/** The files of a finished run: those that every run has, those asked for with --reporter, the new baseline, and the history. */
import { appendFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { baselineFileName, baselineFiles } from '../compare/baseline.js';
import type { Report } from '../model/record.js';
import type { FoldedRun } from '../model/run.js';
import { renderCtrf } from '../report/ctrf.js';
import { renderAnnotations, renderStepSummary } from '../report/github.js';
import { renderHtml } from '../report/html/render.js';
import { renderJson } from '../report/json.js';
import { renderJunit } from '../report/junit.js';
import { renderMarkdown } from '../report/markdown.js';
import { type Renderer, RUN_REPORTS, writeReports } from '../report/write-reports.js';
import { writeFileAtomic, writeJsonAtomic } from '../util/atomic-write.js';
import { errorMessage } from '../util/cause-chain.js';
import { appendHistory } from './history.js';
import type { CliIo } from './io-types.js';
import { UsageError } from './usage-error.js';

const NAMED: Readonly<Record<string, Renderer>> = {
  json: renderJson,
  junit: renderJunit,
  markdown: renderMarkdown,
  github: renderStepSummary,
  html: renderHtml,
  ctrf: renderCtrf,
};

export interface ChosenReporter {
  readonly name: string;
  /** Null: stdout, or for github the step summary. */
  readonly file: string | null;
  readonly render: Renderer;
}

/** `NAME` or `NAME=FILE`. @throws UsageError naming the unknown one */
export function parseReporters(values: readonly string[]): ChosenReporter[] {
  return values.map((value) => {
    const at = value.indexOf('=');
    const name = at < 0 ? value : value.slice(0, at);
    const render = Object.hasOwn(NAMED, name) ? NAMED[name] : undefined;
    if (!render)
      throw new UsageError(`--reporter "${name}" is unknown`, `it is one of ${Object.keys(NAMED).join(', ')}`);
    return { name, file: at < 0 ? null : value.slice(at + 1), render };
  });
}

export interface FinishedReports {
  readonly report: Report;
  readonly files: readonly string[];
  /** Sentences; any of them means exit code 4. */
  readonly faults: readonly string[];
}

export interface FinishRequest {
  /** The run's directory, absolute. */
  readonly dir: string;
  readonly reporters: readonly ChosenReporter[];
  readonly updateBaseline: boolean;
  /** Absolute; null: no `--history`. */
  readonly history: string | null;
  /** Sentences: what went wrong before. */
  readonly faults: readonly string[];
}

/** Writes everything; one file that cannot be written does not keep the others from being written. */
export async function finishReports(folded: FoldedRun, request: FinishRequest, io: CliIo): Promise<FinishedReports> {
  const written = await writeReports(request.dir, folded, RUN_REPORTS);
  const files = [...written.files];
  const faults = [...request.faults, ...written.faults.map(({ message }) => message)];
  const attempt = async (what: string, write: () => Promise<string | null>) => {
    try {
      const file = await write();
      if (file !== null) files.push(file);
    } catch (error) {
      faults.push(`${what}: ${errorMessage(error)}`);
    }
  };
  for (const reporter of request.reporters) {
    await attempt(`reporter ${reporter.name}`, () => deliver(reporter, written.report, io));
  }
  for (const baseline of request.updateBaseline ? baselineFiles(written.report) : []) {
    const file = resolve(io.cwd, 'reports', 'baseline', baselineFileName(baseline));
    await attempt('baseline', async () => {
      await writeJsonAtomic(file, baseline);
      return file;
    });
  }
  const { history } = request;
  if (history !== null) {
    await attempt('history', async () => {
      await appendHistory(history, written.report);
      return history;
    });
  }
  return { report: written.report, files, faults };
}

async function deliver(reporter: ChosenReporter, report: Report, io: CliIo): Promise<string | null> {
  const text = reporter.render(report);
  if (reporter.file !== null) {
    const file = resolve(io.cwd, reporter.file);
    await writeFileAtomic(file, text);
    return file;
  }
  if (reporter.name !== 'github') {
    io.stdout(text);
    return null;
  }
  for (const annotation of renderAnnotations(report)) io.stdout(`${annotation}\n`);
  const summary = io.env['GITHUB_STEP_SUMMARY'];
  if (!summary) throw new Error('GITHUB_STEP_SUMMARY is not set; write --reporter github=FILE outside of GitHub');
  await appendFile(summary, text);
  return summary;
}
