/** Edits of a compiled program, and whether it then says the same as one that is compiled from scratch. */
import { parseIp } from '../../src/base/ip.ts';
import { CompiledProgram } from '../../src/engine/compiled/compile.ts';
import { verdict } from '../../src/engine/compiled/evaluate.ts';
import { type PairTable, pairTable } from '../../src/engine/connectivity/pairs.ts';
import type { Input } from '../../src/input/input.ts';
import { type Cluster, type Pod, type Workload, workloadId } from '../../src/model/cluster.ts';
import type { Policy, PolicyProgram } from '../../src/model/program.ts';
import { type Dice, dice } from '../manifest/mutations.ts';
import { flowsOf, wordFlow } from './sampling.ts';

/** What a program and cluster look like while they are edited. */
export interface Edited {
  readonly program: PolicyProgram;
  readonly cluster: Cluster;
}

export type Edit =
  | { readonly kind: 'policy'; readonly tier: string; readonly before: Policy | null; readonly after: Policy | null }
  | { readonly kind: 'pod'; readonly before: Pod | null; readonly after: Pod | null };

const pick = <T>(roll: Dice, list: readonly T[]): T | undefined => list[roll(list.length)];

/** A random edit of `now` towards what `pool` has: its policies and its pods' labels, ports and addresses. */
export function editOf(now: Edited, pool: Input, roll: Dice): Edit {
  const pods = podsOf(now.cluster);
  const others = podsOf(pool.cluster);
  if (roll(3) === 0 && pods.length > 0) {
    const before = pick(roll, pods) ?? null;
    const like = pick(roll, others);
    const action = roll(3);
    if (action === 0 && pods.length > 1) return { kind: 'pod', before, after: null };
    if (like === undefined) return { kind: 'pod', before, after: before };
    if (action === 1 || before === null) {
      return { kind: 'pod', before: null, after: { ...like, name: `added-${roll(1_000_000)}`, node: null } };
    }
    const { labels, ports, addresses, hostNetwork } = like;
    return { kind: 'pod', before, after: { ...before, labels, ports, addresses, hostNetwork } };
  }
  const tier = pick(roll, now.program.tiers);
  if (tier === undefined) throw new Error('a program has tiers');
  const offered = pool.program.tiers.find(({ name }) => name === tier.name)?.policies ?? [];
  const before = roll(2) === 0 ? (pick(roll, tier.policies) ?? null) : null;
  const drawn = roll(3) === 0 ? undefined : pick(roll, offered);
  if (drawn === undefined) return { kind: 'policy', tier: tier.name, before, after: null };
  const id = before === null ? `${drawn.id}-${roll(1_000_000)}` : before.id;
  return { kind: 'policy', tier: tier.name, before, after: { ...drawn, id } };
}

function podsOf(cluster: Cluster): readonly Pod[] {
  return cluster.workloads.flatMap((workload) => workload.pods);
}

/** The program and cluster after an edit, made anew from values. */
export function edited({ program, cluster }: Edited, edit: Edit): Edited {
  if (edit.kind === 'policy') {
    const tiers = program.tiers.map((tier) => {
      if (tier.name !== edit.tier) return tier;
      const kept = tier.policies.filter((policy) => policy !== edit.before);
      const policies = edit.after === null ? kept : [...kept, edit.after];
      return { ...tier, policies: policies.sort((a, b) => a.rank - b.rank || (a.id < b.id ? -1 : 1)) };
    });
    return { program: { tiers }, cluster };
  }
  const { before, after } = edit;
  const workloads = cluster.workloads.flatMap((workload): Workload[] => {
    if (before === null || !workload.pods.includes(before)) return [workload];
    const pods = workload.pods.flatMap((pod) => (pod !== before ? [pod] : after === null ? [] : [after]));
    return pods.length === 0 ? [] : [{ ...workload, pods }];
  });
  if (before === null && after !== null) {
    const { namespace, name, origin } = after;
    workloads.push({ namespace, name, kind: 'Pod', pods: [after], replicas: null, origin });
  }
  return { program, cluster: { ...cluster, workloads } };
}

export function apply(compiled: CompiledProgram, edit: Edit): void {
  if (edit.kind === 'policy') compiled.replacePolicy(edit.tier, edit.before, edit.after);
  else compiled.replacePod(edit.before, edit.after);
}

/** What differs between a program that was edited and one compiled from the outcome. */
export function differences(compiled: CompiledProgram, now: Edited, salt: number): readonly string[] {
  const fresh = new CompiledProgram(now.program, now.cluster, { traffic: compiled.traffic });
  const out: string[] = [];
  for (const flow of flowsOf({ ...now, diagnostics: [] }, dice(salt), 60)) {
    const [kept, made] = [verdict(compiled, flow), verdict(fresh, flow)];
    if (kept !== made) out.push(`${wordFlow(flow)}: edited says ${kept}, compiled anew ${made}`);
  }
  const [kept, made] = [compiled, fresh].map((one) => said(pairTable(one, now.cluster), now.cluster)) as [Said, Said];
  for (const key of new Set([...kept.keys(), ...made.keys()])) {
    if (kept.get(key) !== made.get(key)) {
      out.push(`pair ${key}: edited says ${kept.get(key)}, compiled anew ${made.get(key)}`);
    }
  }
  for (const id of now.cluster.workloads.flatMap(({ pods }) =>
    pods.map((pod) => compiled.classOf({ kind: 'pod', pod })),
  )) {
    if (compiled.members(id) === 0) out.push(`class ${id} has a pod and no members`);
  }
  return out;
}

/** The addresses at which ranges are looked at: both sides may cut the space differently. */
const POINTS = [
  '10.1.0.3',
  '10.1.0.200',
  '10.200.0.1',
  '203.0.113.7',
  '203.0.113.200',
  '8.8.8.8',
  'fd00::3',
  'fd00::ffff',
  '2001:db8::1',
  '2001:db8:8000::1',
  '2001:db9::1',
]
  .map(parseIp)
  .filter((ip) => ip !== null);

type Said = ReadonlyMap<string, string>;

/** What a table says of each pair of workloads, and of workloads and single addresses. */
function said(table: PairTable, cluster: Cluster): Said {
  const taken = new Set(podsOf(cluster).flatMap((pod) => pod.addresses.map(({ value }) => value)));
  const names = table.groups.map((group): readonly string[] =>
    group.range === null
      ? group.workloads.map(workloadId)
      : POINTS.flatMap(({ family, value }) =>
          !taken.has(value) && group.range?.family === family && group.range.first <= value && value <= group.range.last
            ? [value.toString(16)]
            : [],
        ),
  );
  const out = new Map<string, string>();
  for (const [from, row] of table.pairs) {
    for (const [to, { all, some, unknown }] of row) {
      for (const src of names[from] ?? []) {
        for (const dst of names[to] ?? []) if (src !== dst) out.set(`${src} -> ${dst}`, `${all} ${some} ${unknown}`);
      }
    }
  }
  return out;
}
