import { type ProbeOptions, type Prober, probe, probeReport } from '../lab/probe.ts';
import { planFlow, type Topology } from '../lab/probe-plan.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { FlowQuestion, ProbeReport, ProbeSkipped } from '../report/report.ts';
import { asker } from './answering.ts';
import { EXIT, type ExitCode } from './exit-code.ts';
import type { Loaded } from './input-options.ts';
import { answer, type OutputOptions } from './output-options.ts';
import type { WrittenQuestion } from './questions-file.ts';
import type { Shell } from './shell.ts';

/** What is asked, of whom, and how it is reported. */
export interface ProbeTask {
  readonly loaded: Pick<Loaded, 'cluster' | 'program' | 'index' | 'diagnostics'>;
  readonly questions: readonly WrittenQuestion[];
  /** Where the questions stand, for what is wrong with them. */
  readonly file: string;
  readonly topology: Topology;
  readonly where: string;
  readonly skipped: readonly ProbeSkipped[];
}

/** Questions with their verdicts and what is to be tried for them. */
export function planTask(task: Pick<ProbeTask, 'loaded' | 'questions' | 'file' | 'topology'>): {
  readonly planned: ReturnType<typeof planFlow>[];
  readonly diagnostics: readonly Diagnostic[];
} {
  // What is held against observations is what the policies say, whoever enforces them.
  const ask = asker({ ...task.loaded, unenforced: null, caveats: [] }, task.file);
  const asked = task.questions.map((question, i) => ask(question, i));
  return {
    planned: asked.map((one) => planFlow({ answer: one.answer, question: one.understood }, task.topology)),
    diagnostics: asked.flatMap((one) => one.diagnostics),
  };
}

/** Asks, and puts the answers together. */
export async function runTask(
  task: ProbeTask,
  { planned, diagnostics }: ReturnType<typeof planTask>,
  prober: Prober,
  options: ProbeOptions,
  via: () => string,
): Promise<ProbeReport> {
  const probed = await probe(planned, prober, options);
  return probeReport(probed, {
    where: task.where,
    via: via(),
    skipped: task.skipped,
    diagnostics: [...task.loaded.diagnostics, ...diagnostics],
  });
}

/** Writes the report; a disagreement comes before everything else, and an answer about nothing is none. */
export async function answerProbe(
  report: ProbeReport,
  options: OutputOptions,
  shell: Shell,
  badQuestions: boolean,
): Promise<ExitCode> {
  const code = await answer(report, options, shell);
  if (report.disagreements > 0) return EXIT.denied;
  if (report.unverifiable === report.flows.length) {
    shell.stderr.write(
      report.flows.length === 0
        ? 'rampart: nothing was compared: there was no flow to ask about\n'
        : 'rampart: nothing could be compared: see why each flow could not be tried\n',
    );
    return EXIT.failed;
  }
  return badQuestions ? EXIT.failed : code;
}

/** Questions as an all-pairs probe makes them, in the form of written ones. */
export function asWritten(questions: readonly FlowQuestion[]): readonly WrittenQuestion[] {
  return questions.map((question) => ({ question, line: null }));
}
