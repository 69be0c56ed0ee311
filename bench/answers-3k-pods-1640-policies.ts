/** Answers with their reasons: what `explain`, `query` and the page ask of the engine. */
import { type AskedEnd, answerQuestion, type Question } from '../src/engine/explain/answer.ts';
import { explainPrepared } from '../src/engine/explain/explain.ts';
import { prepareExplain } from '../src/engine/explain/prepare.ts';
import { factsOf } from '../src/engine/match.ts';
import type { Workload } from '../src/model/cluster.ts';
import type { Endpoint, Flow } from '../src/model/flow.ts';
import { SIZES } from './generate.ts';
import { realisticFlows } from './suite/flows.ts';
import { loadProgram, objectsInMemory } from './suite/loaded.ts';
import { type BenchCase, type Measurement, rate, runAlone } from './suite/measure.ts';

export const benchCase: BenchCase = {
  name: 'answers-3k-pods-1640-policies',
  title: `Answers with reasons, ${SIZES.M.pods.toLocaleString('en')} pods / ${SIZES.M.policies.toLocaleString('en')} policies`,
  runs: 5,
  isolation: 'same-process',
  measure({ runs, tiny }): readonly Measurement[] {
    const { compiled, input } = loadProgram(objectsInMemory(tiny ? { pods: 60, policies: 30 } : SIZES.M));
    const prepared = prepareExplain(input.program, factsOf(input.cluster));
    const flows = realisticFlows(compiled, input.cluster, tiny ? 50 : 10_000);
    const questions = flows.map(questionOf);
    const { workloads } = input.cluster;
    const ofWorkloads = flows.slice(0, tiny ? 5 : 500).map((flow) => betweenWorkloads(flow, workloads));

    const measured = (
      job: string,
      count: number,
      work: (index: number) => { readonly verdict: string },
    ): Measurement => {
      const round = (): void => {
        const seen = new Set<string>();
        for (let index = 0; index < count; index++) seen.add(work(index).verdict);
        if (!seen.has('allowed') && !seen.has('denied')) throw new Error(`${job}: no answer says anything`);
      };
      round();
      const samples = Array.from({ length: runs }, () => rate(count, round));
      return { job, unit: 'per second', samples, target: null };
    };
    const flow = (index: number): Flow => at(flows, index);
    return [
      measured('questions about two pods and a port, all reasons', questions.length, (index) =>
        answerQuestion(prepared, at(questions, index)),
      ),
      measured('the same, deciding reasons', questions.length, (index) =>
        answerQuestion(prepared, at(questions, index), { reasons: 'deciding' }),
      ),
      measured('questions about two workloads on all ports, all reasons', ofWorkloads.length, (index) =>
        answerQuestion(prepared, at(ofWorkloads, index)),
      ),
      measured('single flows, all reasons', flows.length, (index) => explainPrepared(prepared, flow(index))),
      measured('single flows, deciding reasons', flows.length, (index) =>
        explainPrepared(prepared, flow(index), { reasons: 'deciding' }),
      ),
    ];
  },
};

function at<T>(list: readonly T[], index: number): T {
  const one = list[index];
  if (one === undefined) throw new RangeError(`no element ${index}`);
  return one;
}

function endOf(endpoint: Endpoint): AskedEnd {
  return endpoint.kind === 'pod' ? { kind: 'pods', pods: [endpoint.pod], family: null } : endpoint;
}

function questionOf({ source, destination, protocol, port }: Flow): Question {
  return { source: endOf(source), destination: endOf(destination), protocol, port, direction: null };
}

function betweenWorkloads(flow: Flow, workloads: readonly Workload[]): Question {
  const whole = (endpoint: Endpoint): AskedEnd => {
    if (endpoint.kind !== 'pod') return endpoint;
    const { pod } = endpoint;
    return { kind: 'pods', pods: workloads.find(({ pods }) => pods.includes(pod))?.pods ?? [pod], family: null };
  };
  const { source, destination } = flow;
  return { source: whole(source), destination: whole(destination), protocol: null, port: null, direction: null };
}

if (import.meta.main) await runAlone(benchCase, import.meta.url);
