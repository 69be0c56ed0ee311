import { byText } from '../base/order.ts';
import type { DiffChange, DiffReport } from '../model/report.ts';
import { type ChangeWord, changeWord, connFormatter, isNone, minus } from './conn.ts';
import { type PeerNames, parsePeer, peerNames } from './peers.ts';

/** Changes of one destination that read alike. */
export interface GroupedChange {
  readonly word: ChangeWord;
  readonly source: string;
  readonly destination: string;
  /** `TCP 80`, or `TCP 80 → TCP 80,443`. */
  readonly text: string;
  /** What is new, `none` if nothing. */
  readonly opened: string;
  readonly closed: string;
  readonly before: string;
  readonly after: string;
  /** One of the two ends is an address outside of the cluster. */
  readonly external: boolean;
  /** What the change says about workloads that one side lacks. */
  readonly note: string | null;
  readonly pairs: number;
}

export interface ChangeCounts {
  readonly total: number;
  readonly opened: number;
  readonly closed: number;
  readonly widened: number;
  readonly narrowed: number;
  readonly changed: number;
  /** Pairs with an address outside of the cluster to which something was opened. */
  readonly openedExternal: number;
}

export interface GroupedChanges {
  readonly pairs: readonly GroupedChange[];
  readonly ingress: readonly GroupedChange[];
  readonly counts: ChangeCounts;
  readonly names: PeerNames;
}

const WORDS: readonly ChangeWord[] = ['opened', 'widened', 'changed', 'narrowed', 'closed'];

const SOME_PODS = 'some pods only';

/** The changes with as few lines as say the same, opened access first. */
export function groupChanges(report: DiffReport): GroupedChanges {
  const all = [...report.changes, ...report.partialChanges, ...report.ingressControllerChanges];
  // A diff lists no peers, so nothing may be called "every": names are made without a whole to compare with.
  const listed = peerNames(
    all.flatMap(({ src, dst }) => [src, dst]),
    { partial: true },
  );
  const some = report.partialChanges.map((change) => ({ ...change, workloads: SOME_PODS }));
  const pairs = grouped([...report.changes, ...some], listed);
  const ingress = grouped(report.ingressControllerChanges, listed);
  const count = (word: ChangeWord): number => sum([...pairs, ...ingress].filter((change) => change.word === word));
  return {
    pairs,
    ingress,
    names: listed,
    counts: {
      total: sum(pairs) + sum(ingress),
      opened: count('opened'),
      closed: count('closed'),
      widened: count('widened'),
      narrowed: count('narrowed'),
      changed: count('changed'),
      openedExternal: sum(pairs.filter((change) => change.external && change.opened !== 'none')),
    },
  };
}

function sum(changes: readonly GroupedChange[]): number {
  return changes.reduce((n, change) => n + change.pairs, 0);
}

function grouped(changes: readonly DiffChange[], names: PeerNames): readonly GroupedChange[] {
  const format = connFormatter();
  const groups = new Map<
    string,
    { readonly first: DiffChange; readonly word: ChangeWord; readonly sources: string[] }
  >();
  for (const change of changes) {
    const word = changeWord(change.before, change.after);
    const external = isExternal(change);
    const key = JSON.stringify([
      word,
      change.dst,
      format(change.before),
      format(change.after),
      change.workloads ?? null,
      external,
    ]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { first: change, word, sources: [change.src] });
    else group.sources.push(change.src);
  }
  return [...groups.values()]
    .map(({ first, word, sources }): GroupedChange => {
      const before = format(first.before);
      const after = format(first.after);
      const opened = minus(first.after, first.before);
      return {
        word,
        source: names.set(sources),
        destination: names.one(first.dst),
        text: isNone(first.before) ? after : isNone(first.after) ? before : `${before} → ${after}`,
        opened: format(opened),
        closed: format(minus(first.before, first.after)),
        before,
        after,
        external: isExternal(first),
        note: first.workloads ?? null,
        pairs: sources.length,
      };
    })
    .sort(
      (a, b) =>
        WORDS.indexOf(a.word) - WORDS.indexOf(b.word) ||
        byText(a.destination, b.destination) ||
        byText(a.source, b.source) ||
        byText(a.text, b.text),
    );
}

function isExternal(change: DiffChange): boolean {
  return parsePeer(change.src).kind === 'range' || parsePeer(change.dst).kind === 'range';
}
