/** Sends the flows of a case and holds what is seen against what the vector expects, and against the engine. */
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Loaded } from '../../src/cli/input-options.ts';
import { planTask } from '../../src/cli/probe-report.ts';
import { indexCluster } from '../../src/cluster/cluster-index.ts';
import { inputOf } from '../../src/input/input.ts';
import { readFrom } from '../../src/io/kube.ts';
import type { Denial } from '../../src/lab/denials.ts';
import { type ProbeOptions, probe } from '../../src/lab/probe.ts';
import { type LabWorld, labProber, labTracer, labWorld } from '../../src/lab/probe-lab.ts';
import type { PlannedFlow, Try } from '../../src/lab/probe-plan.ts';
import type { LabSession } from '../../src/lab/session.ts';
import type { FlowQuestion, ProbedFlow } from '../../src/report/report.ts';

/** A flow and what must become of it; `null` where only the engine says. */
export interface ExpectedFlow {
  readonly question: FlowQuestion;
  readonly allowed: boolean | null;
}

export interface Sent {
  /** What is not as expected: flow, expectation, what the engine says or what was seen, and the way through the kernel. */
  readonly problems: readonly string[];
  /** Connections; a flow has one for each family that both of its ends have. */
  readonly attempts: number;
  /** Denials that the kernel itself has said, of so many. */
  readonly denials: { readonly recorded: number; readonly of: number };
  readonly askedAgain: number;
  /** Of these, how many for a denial that no node had said. */
  readonly unsaidAtFirst: number;
  readonly seconds: number;
}

/** Short, as denied connections last so long; what disagrees is asked again with patience. */
const QUICK = { timeoutMs: 600, perActor: 128, inFlight: 4096, pausesMs: [], totalMs: 120_000 };
const PATIENT = { perActor: 32, inFlight: 256, pausesMs: [500], totalMs: 120_000 };

/** A lab with the meaning of what its API server holds. */
export interface LabView {
  readonly world: LabWorld;
  readonly loaded: Pick<Loaded, 'cluster' | 'program' | 'index' | 'diagnostics'>;
}

/** Reads back what a lab is now. */
export async function lookAt(lab: LabSession): Promise<LabView> {
  const { objects } = await readFrom(await lab.connection());
  // What a server has stored counts, whatever this version would have said of it.
  const input = inputOf(objects, { stored: true });
  const world = labWorld(await lab.status(), input.cluster);
  return { world, loaded: { ...input, index: () => indexCluster(input.cluster) } };
}

/** Sends every flow, in every family that both ends have. */
export async function sendFlows(
  lab: LabSession,
  { world, loaded }: LabView,
  expected: readonly ExpectedFlow[],
  /** How long an answer may take where the first, short look was not enough. */
  patienceMs = 3000,
): Promise<Sent> {
  const begun = performance.now();
  const { signal } = new AbortController();
  const problems: string[] = [];
  const { planned, diagnostics } = planTask({
    loaded,
    questions: expected.map(({ question }) => ({ question, line: null })),
    file: 'the vector',
    topology: world.topology,
  });
  for (const { message } of diagnostics) problems.push(message);
  const plan = planned.map((flow, i): PlannedFlow => {
    const allowed = expected[i]?.allowed ?? null;
    const wanted = allowed === null ? flow.answer.verdict : allowed ? 'allowed' : 'denied';
    if (flow.answer.verdict !== wanted) {
      problems.push(`${inWords(flow)}: the engine says ${flow.answer.verdict}, expected ${wanted}`);
    }
    if (wanted === 'undefined') problems.push(`${inWords(flow)}: the engine says undefined`);
    if (flow.tries.length === 0) {
      problems.push(`${inWords(flow)}: nobody could be asked: ${flow.unverifiable ?? 'no address'}`);
    }
    // What is seen is held against what is expected, whatever the engine says of it.
    return { answer: { ...flow.answer, verdict: wanted }, tries: flow.tries, unverifiable: null };
  });
  const records = denialLog(lab);
  const prober = labProber(lab);
  const ask = async (
    flows: readonly PlannedFlow[],
    options: Omit<ProbeOptions, 'signal'>,
  ): Promise<readonly ProbedFlow[]> => (await probe(flows, prober, { ...options, signal })).flows;
  const seen = [...(await ask(plan, QUICK))];
  const denials = new Set(plan.flatMap((flow) => (flow.answer.verdict === 'denied' ? flow.tries : [])));
  let unsaid = await records.missing(denials, world);
  // Also a silence that no node owns up to: an answer may have come too late, or its record may have got lost.
  const again = [...plan.keys()].filter(
    (i) => seen[i]?.agrees !== true || plan[i]?.tries.some((one) => unsaid.has(one)),
  );
  const agreedAtFirst = new Set([...seen.keys()].filter((i) => seen[i]?.agrees === true));
  if (again.length > 0) {
    const trace = labTracer(lab, world, { timeoutMs: patienceMs, signal });
    const repeated = await ask(
      again.flatMap((i) => plan[i] ?? []),
      { ...PATIENT, timeoutMs: patienceMs, trace },
    );
    for (const [at, flow] of repeated.entries()) seen[again[at] ?? -1] = flow;
    unsaid = await records.missing(unsaid, world);
  }
  for (const [i, flow] of seen.entries()) {
    const one = plan[i];
    if (one === undefined) continue;
    if (!flow.agrees) {
      const trace = flow.trace.map((line) => `\n    ${line}`).join('');
      problems.push(`${inWords(one)}: expected ${one.answer.verdict}, seen ${flow.observed} (${flow.detail})${trace}`);
    } else if (one.tries.some((attempt) => unsaid.has(attempt))) {
      problems.push(`${inWords(one)}: silent, but no node says that it denied it`);
    }
  }
  return {
    problems,
    attempts: plan.reduce((sum, { tries }) => sum + tries.length, 0),
    denials: { recorded: denials.size - unsaid.size, of: denials.size },
    askedAgain: again.length,
    unsaidAtFirst: again.filter((i) => agreedAtFirst.has(i)).length,
    seconds: Math.round(performance.now() - begun) / 1000,
  };
}

function inWords({ answer: { question } }: Pick<PlannedFlow, 'answer'>): string {
  return `${String(question.src)} -> ${String(question.dst)} ${String(question.protocol)} ${String(question.port)}`;
}

const RECORDS_MS = 1500;

/** What the kernels of the nodes say that they have denied, from now on. */
function denialLog(lab: LabSession): {
  /** Those of the attempts that no node says it has denied, once that does not change any more. */
  missing(attempts: ReadonlySet<Try>, world: LabWorld): Promise<ReadonlySet<Try>>;
} {
  const file = join(lab.folder, 'denied.log');
  let offset = existsSync(file) ? statSync(file).size : 0;
  let rest = '';
  const said = new Set<string>();
  const read = (): void => {
    const size = existsSync(file) ? statSync(file).size : 0;
    // It was put away for a new one.
    if (size < offset) {
      take(`${file}.1`, offset, statSync(`${file}.1`).size);
      offset = 0;
    }
    take(file, offset, size);
    offset = size;
  };
  const take = (name: string, from: number, to: number): void => {
    if (to <= from) return;
    const bytes = Buffer.alloc(to - from);
    const fd = openSync(name, 'r');
    readSync(fd, bytes, 0, bytes.length, from);
    closeSync(fd);
    const lines = `${rest}${bytes.toString('utf8')}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const { protocol, source, destination, ports } = JSON.parse(line) as Denial;
      said.add(`${protocol} ${source} ${destination} ${ports?.[1] ?? ''}`);
    }
  };
  return {
    missing: async (attempts, world) => {
      const isSaid = ({ actor, fromAddress, protocol, host, port }: Try): boolean => {
        const sources = fromAddress === null ? (world.addresses.get(actor) ?? []) : [fromAddress];
        return sources.some((source) => said.has(`${protocol} ${source} ${host} ${port}`));
      };
      const deadline = performance.now() + RECORDS_MS;
      for (;;) {
        read();
        const left = new Set([...attempts].filter((one) => !isSaid(one)));
        if (left.size === 0 || performance.now() > deadline) return left;
        await sleep(20);
      }
    },
  };
}
