/** Names the missing facts behind the pairs that a connectivity report leaves unspecified. */
import { formatIp } from '../../base/ip.ts';
import { by, byText } from '../../base/order.ts';
import type { Cluster } from '../../model/cluster.ts';
import type { ConnectivityReport } from '../../model/report.ts';
import type { CompiledProgram } from '../compiled/compile.ts';
import { type AskedEnd, answerQuestion } from '../explain/answer.ts';
import type { Prepared } from '../explain/prepare.ts';
import { type Group, groupsOf } from './groups.ts';

export interface UnspecifiedOptions {
  /** Pairs of classes beyond this many are counted, but not asked about. */
  readonly questionLimit?: number;
}

const QUESTION_LIMIT = 200;

const NOT_ASKED = 'not looked into, there are too many kinds of unspecified pairs: `rampart explain` tells of each';
const VARIES = 'the pods of the workloads differ';

/**
 * The reasons of a report's unspecified pairs, those of most pairs first. A pair with several reasons counts for each.
 * One pair is asked for all pairs of two groups of peers that no policy tells apart.
 */
export function unspecifiedBecause(
  prepared: Prepared,
  program: CompiledProgram,
  cluster: Cluster,
  report: Pick<ConnectivityReport, 'unspecified' | 'classes'>,
  options: UnspecifiedOptions = {},
): ConnectivityReport['unspecifiedBecause'] {
  if (report.unspecified.length === 0) return [];
  const { groups } = groupsOf(program, cluster);
  const placeOf = new Map(groups.flatMap((group) => group.members.map((name, at) => [name, { group, at }] as const)));
  const sizeOf = new Map(report.classes?.map(({ name, members }) => [name, members.length]) ?? []);
  const kinds = new Map<string, { readonly from: Place; readonly to: Place; pairs: number }>();
  for (const [src, dst] of report.unspecified) {
    const from = placeOf.get(src);
    const to = placeOf.get(dst);
    if (from === undefined || to === undefined) continue;
    const [many, others] = [sizeOf.get(src) ?? 1, sizeOf.get(dst) ?? 1];
    const pairs = src === dst ? many * (many - 1) : many * others;
    const key = `${from.group.index} ${to.group.index}`;
    const known = kinds.get(key);
    if (known === undefined) kinds.set(key, { from, to, pairs });
    else known.pairs += pairs;
  }
  const counts = new Map<string, number>();
  let asked = 0;
  for (const { from, to, pairs } of kinds.values()) {
    const reasons = asked++ < (options.questionLimit ?? QUESTION_LIMIT) ? reasonsOf(prepared, from, to) : [NOT_ASKED];
    for (const because of reasons) counts.set(because, (counts.get(because) ?? 0) + pairs);
  }
  return [...counts]
    .map(([because, pairs]) => ({ because, pairs }))
    .sort((a, b) => b.pairs - a.pairs || by((each: typeof a) => each.because, byText)(a, b));
}

interface Place {
  readonly group: Group;
  readonly at: number;
}

function reasonsOf(prepared: Prepared, from: Place, to: Place): readonly string[] {
  // Between members of one group, another one than the source is asked about.
  const source = endOf(from);
  const destination = endOf(to);
  if (source === null || destination === null) return [VARIES];
  // Pods are asked about one by one: that they differ says nothing of the fact that is missing.
  const facts = singles(source).flatMap((one) =>
    singles(destination).flatMap((other) => {
      const asked = { source: one, destination: other, protocol: null, port: null, direction: null };
      const { ports, undefinedBecause } = answerQuestion(prepared, asked, { reasons: 'deciding' });
      const open = (ports ?? []).flatMap((line) => (line.undefinedBecause === null ? [] : [line.undefinedBecause]));
      return open.length === 0 && undefinedBecause !== null ? [undefinedBecause] : open;
    }),
  );
  const [src, dst] = [names(source), names(destination)];
  const texts = [...new Set(facts.flatMap((text) => text.split('; ')).map((text) => generalise(text, src, dst)))];
  // That the outcome differs with something follows from the fact that is missing, where one is named.
  const named = texts.filter((text) => !/^(?:depends on|differs by) /.test(text));
  return named.length > 0 ? named : texts.length > 0 ? texts : [VARIES];
}

const MOST_PODS = 3;

function singles(end: AskedEnd): readonly AskedEnd[] {
  return end.kind === 'pods' ? end.pods.slice(0, MOST_PODS).map((pod) => ({ ...end, pods: [pod] })) : [end];
}

function endOf({ group, at }: Place): AskedEnd | null {
  if (group.range !== null) {
    return { kind: 'external', address: { family: group.range.family, value: group.range.first } };
  }
  const workload = group.workloads[at];
  return workload === undefined ? null : { kind: 'pods', pods: workload.pods, family: null };
}

function names(end: AskedEnd): readonly string[] {
  if (end.kind === 'external') return [formatIp(end.address)];
  return end.kind === 'pods' ? [...new Set(end.pods.map((pod) => `${pod.namespace}/${pod.name}`))] : [];
}

/** Pods by their part in the pair, so that the same fact about many pairs is one reason. */
function generalise(text: string, sources: readonly string[], destinations: readonly string[]): string {
  let out = text;
  const say = (all: readonly string[], part: string): void => {
    for (const name of all) {
      for (const form of [`a pod of \`${name}\``, `host-network pod \`${name}\``, `pod \`${name}\``, `\`${name}\``]) {
        out = out.replaceAll(form, part);
      }
    }
  };
  say(destinations, 'the destination');
  say(sources, 'the source');
  return out;
}
