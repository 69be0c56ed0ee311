import { byText } from '../../../base/order.ts';
import type { DiffReport } from '../../../model/report.ts';
import { type GroupedChange, groupChanges } from '../../changes.ts';
import type { RenderOptions } from '../../format.ts';
import { pairsText } from './connectivity.ts';
import { painter, type Style } from './paint.ts';
import { type Cell, table } from './table.ts';

const MARK: Readonly<Record<GroupedChange['word'], string>> = {
  opened: '+',
  closed: '-',
  widened: '~',
  narrowed: '~',
  changed: '~',
};

// Red is for what is now denied, as everywhere; a widened access is yellow since it wants a look.
const STYLE: Readonly<Record<GroupedChange['word'], Style>> = {
  opened: 'allowed',
  closed: 'denied',
  widened: 'warning',
  narrowed: 'denied',
  changed: 'warning',
};

/** Changes with a mark and a word each: opened, closed, widened, narrowed, changed; then a line of figures. */
export function* diffText(report: DiffReport, options: RenderOptions): Generator<string> {
  const paint = painter(options.colour);
  const { pairs, ingress, counts, names } = groupChanges(report);
  const show = function* (title: string, changes: readonly GroupedChange[]): Generator<string> {
    if (changes.length === 0) return;
    yield paint('heading', title);
    const rows = changes.map((change): readonly Cell[] => {
      const style = STYLE[change.word];
      return [
        { text: MARK[change.word], style },
        { text: change.word, style },
        { text: change.source },
        { text: '→', style: 'dim' },
        { text: change.destination },
        { text: change.text, style },
        ...(change.note === null ? [] : [{ text: `(${change.note})`, style: 'dim' as const }]),
      ];
    });
    yield* table(rows, { indent: '  ', flexible: [2, 4, 5], width: options.width }, paint);
    yield '';
  };
  const outside = pairs.filter((change) => change.external);
  yield* show('with addresses outside the cluster', outside);
  yield* show(
    'between workloads',
    pairs.filter((change) => !change.external),
  );
  yield* show('from ingress controllers', ingress);
  if (report.unspecified.length > 0) {
    yield paint('heading', 'unspecified on one side or both');
    const sorted = [...report.unspecified].sort((a, b) => byText(a[1], b[1]) || byText(a[0], b[0]));
    const byDestination = new Map<string, string[]>();
    for (const [src, dst] of sorted) {
      const set = byDestination.get(dst);
      if (set === undefined) byDestination.set(dst, [src]);
      else set.push(src);
    }
    const rows = [...byDestination].map(([dst, sources]): readonly Cell[] => [
      { text: '?', style: 'undefined' },
      { text: names.set(sources) },
      { text: '→', style: 'dim' },
      { text: names.one(dst) },
    ]);
    yield* table(rows, { indent: '  ', flexible: [1, 3], width: options.width }, paint);
    yield '';
  }
  if (counts.total === 0) {
    yield report.unspecified.length === 0 ? 'no difference in connectivity' : 'no known difference in connectivity';
    return;
  }
  const parts = (['opened', 'widened', 'changed', 'narrowed', 'closed'] as const)
    .filter((word) => counts[word] > 0)
    .map((word) => paint(STYLE[word], `${counts[word]} ${word}`));
  const warning =
    counts.openedExternal > 0
      ? paint(
          'warning',
          `; ${counts.openedExternal} of them give${counts.openedExternal === 1 ? 's' : ''} access to or from outside the cluster`,
        )
      : '';
  yield `${pairsText(counts.total)}: ${parts.join(', ')}${warning}`;
}
