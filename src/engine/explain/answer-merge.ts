import type { Direction } from '../../model/program.ts';
import type { EndVerdict, Reason, Verdict, VerdictKind } from '../../model/verdict.ts';
import { wordList } from './words.ts';

/** In what the cases of one question differ. */
export type Dimension = 'source' | 'destination' | 'node' | 'address' | 'port';

/** One of the flows that a question stands for, with what tells it from the others. */
export interface Judged {
  readonly marks: Readonly<Partial<Record<Dimension, string>>>;
  readonly verdict: Verdict;
}

const KINDS: readonly VerdictKind[] = ['allowed', 'denied', 'undefined'];
const DIMENSIONS: readonly Dimension[] = ['source', 'destination', 'node', 'address', 'port'];
const DEPENDS: Readonly<Record<Dimension, string>> = {
  source: 'depends on the source',
  destination: 'depends on the destination',
  node: 'depends on the node through which the connection enters',
  address: 'depends on the address',
  port: 'depends on the port',
};

/** The verdict of all cases together: theirs, if they agree; else `undefined`, with what it depends on. */
export function mergeVerdicts(cases: readonly Judged[]): Verdict {
  const [only, ...more] = cases;
  if (only !== undefined && more.length === 0) return only.verdict;
  const kind = common(cases.map((one) => one.verdict.verdict));
  const because = new Set<string>();
  if (kind === 'undefined') {
    const differing = dependsOn(cases, (one) => one.verdict.verdict);
    if (differing !== null) because.add(differing);
    for (const { verdict } of cases) if (verdict.undefinedBecause !== null) because.add(verdict.undefinedBecause);
  }
  return {
    verdict: kind,
    undefinedBecause: kind === 'undefined' ? few([...because]).join('; ') : null,
    caveats: [...new Set(cases.flatMap((one) => one.verdict.caveats))],
    egress: mergeEnds(cases, 'egress'),
    ingress: mergeEnds(cases, 'ingress'),
  };
}

function common(kinds: readonly VerdictKind[]): VerdictKind {
  const [first] = kinds;
  return first !== undefined && kinds.every((kind) => kind === first) ? first : 'undefined';
}

/** A question about many pods must not be answered with a text about each of them. */
function few(texts: readonly string[], most = 8): readonly string[] {
  return texts.length <= most ? texts : [...texts.slice(0, most), `and ${texts.length - most} more facts`];
}

function mergeEnds(cases: readonly Judged[], direction: Direction): EndVerdict | null {
  const ends = cases.map((one) => one.verdict[direction]).filter((end) => end !== null);
  const [first] = ends;
  if (first === undefined) return null;
  const verdict = common(ends.map((end) => end.verdict));
  const missing = new Set<string>();
  if (verdict === 'undefined') {
    const differing = dependsOn(cases, (one) => one.verdict[direction]?.verdict ?? 'undefined');
    if (differing !== null) missing.add(differing);
    for (const end of ends) for (const text of end.missing) missing.add(text);
  }
  return {
    direction,
    verdict,
    decidedBy: verdict === 'undefined' ? null : first.decidedBy,
    plane: first.plane,
    reasons: mergeReasons(ends),
    missing: few([...missing]),
    caveats: [...new Set(ends.flatMap((end) => end.caveats))],
  };
}

const MOST_REASONS = 100;

/** What decides in each case comes first, then everything else; each reason once. */
function mergeReasons(ends: readonly EndVerdict[]): readonly Reason[] {
  const seen = new Map<string, Reason>();
  const add = (reason: Reason): void => {
    const key = `${reason.kind} ${reason.policy} ${reason.rule} ${reason.origin?.field} ${reason.text}`;
    if (!seen.has(key) && seen.size < MOST_REASONS) seen.set(key, reason);
  };
  for (const end of ends) for (const reason of end.reasons.slice(0, 1)) add(reason);
  for (const end of ends) for (const reason of end.reasons.slice(1)) add(reason);
  return [...seen.values()];
}

/** Says which of the cases end how: along the one dimension that tells them apart, else by pairs. */
function dependsOn(cases: readonly Judged[], kindOf: (one: Judged) => VerdictKind): string | null {
  if (new Set(cases.map(kindOf)).size < 2) return null;
  for (const dimension of DIMENSIONS) {
    const kinds = new Map<string, VerdictKind | null>();
    for (const one of cases) {
      const mark = one.marks[dimension];
      if (mark === undefined) continue;
      const before = kinds.get(mark);
      kinds.set(mark, before === undefined || before === kindOf(one) ? kindOf(one) : null);
    }
    if (kinds.size < 2 || [...kinds.values()].includes(null)) continue;
    return `${DEPENDS[dimension]}: ${listed([...kinds])}`;
  }
  const pairs = cases.map((one): [string, VerdictKind] => [wordMarks(one), kindOf(one)]);
  return `depends on the pair: ${listed(pairs)}`;
}

function wordMarks({ marks }: Judged): string {
  const { source, destination } = marks;
  const ends =
    source !== undefined && destination !== undefined ? [`${source} → ${destination}`] : [source, destination];
  return [...ends, marks.node, marks.address, marks.port].filter((mark) => mark !== undefined).join(' ');
}

function listed(items: readonly (readonly [string, VerdictKind | null])[]): string {
  const parts: string[] = [];
  for (const kind of KINDS) {
    const marks = [...new Set(items.filter((item) => item[1] === kind).map((item) => item[0]))];
    if (marks.length > 0) parts.push(`${kind} for ${wordList(marks)}`);
  }
  return parts.join(', ');
}
