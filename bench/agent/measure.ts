/** What an agent of a generated cluster needs: time to start, time for a change, memory, processor time. */
import { type ClusterOptions, generateCluster } from '../generate.ts';
import type { Measurement } from '../suite/measure.ts';
import { addressOf, type Change, podChange, podsOf, policyChange } from './changes.ts';
import { inRig, pause, type Rig } from './rig.ts';

export interface AgentOrder {
  readonly cluster: ClusterOptions;
  readonly fromSource: boolean;
  /** Changes of each sort, there and back. */
  readonly changes: number;
  /** For how long pods change all the time. */
  readonly churnSeconds: number;
  /** Of the agent, and why. */
  readonly flags?: { readonly words: readonly string[]; readonly note: string };
  readonly targets: { readonly rssMiB: number | null; readonly compileMs: number | null };
}

/** What changes wait for others, unless told otherwise. */
const COALESCE_MS = 50;
const CHURN_PER_SECOND = 50;
/** Of so many pods that change, one is on the measured node. */
const ONE_LOCAL_IN = 50;

/** Starts an agent once, and asks it everything. */
export function measureAgent(order: AgentOrder): Promise<readonly Measurement[]> {
  const objects = generateCluster(order.cluster);
  return inRig({ objects, fromSource: order.fromSource, flags: order.flags?.words ?? [] }, async (rig) => {
    const out: Measurement[] = [];
    const put = (
      job: string,
      unit: Measurement['unit'],
      samples: readonly number[],
      target: number | null,
      note?: string,
    ): unknown => out.push({ job, unit, samples, target, rss: null, ...(note === undefined ? {} : { note }) });

    const listed = await rig.logged('everything was listed');
    const first = await rig.logged('synced');
    const { compileMs = Number.NaN, nftMs = Number.NaN, changes = 0 } = first;
    put('lists of everything', 'ms', [listed.ms ?? Number.NaN], null, 'from the start of watching');
    put(
      'first table: listed → committed',
      'ms',
      [compileMs + nftMs],
      order.targets.compileMs,
      `${changes} elements and chains`,
    );
    put('first table: nft alone', 'ms', [nftMs], order.targets.compileMs === null ? null : 1000);
    await pause(order.fromSource ? 0 : 5000);
    const fresh = rig.usage();
    put(
      'memory after the start',
      'MiB',
      [fresh.rssMiB],
      order.targets.rssMiB,
      `at most ${Math.round(fresh.peakMiB)} MiB so far`,
    );

    const local = podsOf(objects, true);
    const relevant = relevantOf(rig, podsOf(objects, false));
    const pods = [
      ...(await latencies(rig, podChange(local, 'in4'), order.changes, 0)),
      ...(await latencies(rig, podChange(relevant, 'id4'), order.changes, order.changes)),
    ];
    const policies = await latencies(rig, policyChange(local), order.changes, 0);
    for (const [what, samples] of [
      ['a pod', pods],
      ['a policy', policies],
    ] as const) {
      const note = `${samples.length} changes; ${COALESCE_MS} ms of it wait for others`;
      put(`${what} comes or goes → kernel`, 'ms', samples, 60 + COALESCE_MS, note);
      put(`${what} comes or goes → kernel, 99th percentile`, 'ms', [percentile(samples, 0.99)], 250 + COALESCE_MS);
    }

    const busy = await churn(rig, local, podsOf(objects, false), order.churnSeconds);
    const words = `${CHURN_PER_SECOND} pod changes/s for ${order.churnSeconds} s`;
    put(
      `processor time at ${words}`,
      '% of a core',
      [busy.own + busy.child],
      25,
      [`${busy.child.toFixed(1)} % of it in nft`, ...(order.flags === undefined ? [] : [order.flags.note])].join('; '),
    );
    const last = rig.usage();
    put(
      'memory after that',
      'MiB',
      [last.rssMiB],
      order.targets.rssMiB,
      `at most ${Math.round(last.peakMiB)} MiB so far`,
    );
    return out;
  });
}

/** Pods of which the kernel knows the address: others mean nothing to this node. */
function relevantOf(rig: Rig, pods: ReturnType<typeof podsOf>): ReturnType<typeof podsOf> {
  const known = new Set([...rig.kernelSet('id4').matchAll(/(\d+\.\d+\.\d+\.\d+) : /g)].map(([, address]) => address));
  const found = pods.filter((pod) => known.has(addressOf(pod)));
  if (found.length === 0) throw new Error('the kernel knows no pod of another node');
  return found;
}

async function latencies(rig: Rig, change: Change, count: number, first: number): Promise<readonly number[]> {
  const samples: number[] = [];
  for (let number = first; number < first + count; number++) {
    for (const step of [change.make, change.takeBack]) {
      await rig.quiet(60);
      samples.push(await rig.untilKernel(() => step(rig.api, number)));
      if (number === first) assertInKernel(rig, change, number, step === change.make);
    }
  }
  return samples;
}

function assertInKernel(rig: Rig, { trace }: Change, number: number, wanted: boolean): void {
  const { set, text } = trace(number);
  if (rig.kernelSet(set).includes(text) !== wanted) {
    throw new Error(
      `the kernel ${wanted ? 'lacks' : 'still has'} \`${text}\` in ${set}, and the agent says it is done`,
    );
  }
}

function percentile(samples: readonly number[], part: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;
}

/** Pods come and go; a second later each goes. */
async function churn(
  rig: Rig,
  local: ReturnType<typeof podsOf>,
  remote: ReturnType<typeof podsOf>,
  seconds: number,
): Promise<{ readonly own: number; readonly child: number }> {
  const [here, there] = [podChange(local, 'in4'), podChange(remote, 'id4')];
  const changeFor = (number: number): Change => (number % ONE_LOCAL_IN === 0 ? here : there);
  const delay = CHURN_PER_SECOND / 2;
  const before = rig.usage();
  const begin = performance.now();
  // The first changes only come, and the last ones only go.
  for (let tick = 0; tick < CHURN_PER_SECOND * seconds; tick++) {
    const number = 10_000 + (tick >> 1);
    if (tick % 2 === 0) changeFor(number).make(rig.api, number);
    else if (number - delay >= 10_000) changeFor(number - delay).takeBack(rig.api, number - delay);
    const ahead = begin + (1000 * (tick + 1)) / CHURN_PER_SECOND - performance.now();
    if (ahead > 0) await pause(ahead);
  }
  await rig.quiet(300);
  const elapsed = (performance.now() - begin) / 1000;
  const after = rig.usage();
  return {
    own: (100 * (after.ownSeconds - before.ownSeconds)) / elapsed,
    child: (100 * (after.childSeconds - before.childSeconds)) / elapsed,
  };
}
