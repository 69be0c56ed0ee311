/** Questions about all label sets at once: is one selector contained in another, do two exclude each other? */
import type { Truth } from '../base/truth.ts';
import { type Selector, selectorKey } from '../model/selector.ts';

/** What a conjunction says of one key: may it be absent, and which values may it have? */
interface Constraint {
  readonly absent: boolean;
  /** `only`: one of `values`; `but`: anything else. */
  readonly mode: 'only' | 'but';
  readonly values: ReadonlySet<string>;
}

type Conjunction = ReadonlyMap<string, Constraint>;

const FREE: Constraint = { absent: true, mode: 'but', values: new Set() };

/** The constraints of a selector by key; `null` for one that is no plain conjunction, `'none'` for one that nothing satisfies. */
function conjunctionOf(selector: Selector): Conjunction | 'none' | null {
  const parts = selector.kind === 'all-of' ? selector.of : [selector];
  const out = new Map<string, Constraint>();
  for (const part of parts) {
    if (part.kind === 'everything') continue;
    if (part.kind === 'nothing') return 'none';
    const entry = constraintOf(part);
    if (entry === null) return null;
    const merged = intersect(out.get(entry.key) ?? FREE, entry.constraint);
    if (isEmpty(merged)) return 'none';
    out.set(entry.key, merged);
  }
  return out;
}

function constraintOf(part: Selector): { readonly key: string; readonly constraint: Constraint } | null {
  const inner = part.kind === 'not' ? part.of : part;
  const positive = part.kind !== 'not';
  if (inner.kind === 'exists') {
    const constraint: Constraint = positive
      ? { absent: false, mode: 'but', values: new Set() }
      : { absent: true, mode: 'only', values: new Set() };
    return { key: inner.key, constraint };
  }
  if (inner.kind === 'in') {
    const values = new Set(inner.values);
    return {
      key: inner.key,
      constraint: positive ? { absent: false, mode: 'only', values } : { absent: true, mode: 'but', values },
    };
  }
  return null;
}

function intersect(a: Constraint, b: Constraint): Constraint {
  const absent = a.absent && b.absent;
  if (a.mode === 'but' && b.mode === 'but') return { absent, mode: 'but', values: new Set([...a.values, ...b.values]) };
  const [only, other] = a.mode === 'only' ? [a, b] : [b, a];
  const values = [...only.values].filter((value) => (other.mode === 'only') === other.values.has(value));
  return { absent, mode: 'only', values: new Set(values) };
}

function isEmpty(constraint: Constraint): boolean {
  return !constraint.absent && constraint.mode === 'only' && constraint.values.size === 0;
}

function isWithin(a: Constraint, b: Constraint): boolean {
  if (a.absent && !b.absent) return false;
  if (a.mode === 'only') return [...a.values].every((value) => (b.mode === 'only') === b.values.has(value));
  return b.mode === 'but' && [...b.values].every((value) => a.values.has(value));
}

/**
 * Whether labels that satisfy `given` also satisfy `asked`: `yes` for all of them, `no` for none, `maybe` for some (or
 * where the selectors are no conjunctions). Label values are unbounded, so no finite set of values is all of them.
 */
export function implies(given: Selector, asked: Selector): Truth {
  if (asked.kind === 'everything' || selectorKey(given) === selectorKey(asked)) return 'yes';
  const a = conjunctionOf(given);
  const b = conjunctionOf(asked);
  if (a === 'none') return 'yes';
  if (b === 'none') return 'no';
  if (a === null || b === null) return 'maybe';
  let within = true;
  for (const [key, constraint] of b) {
    const own = a.get(key) ?? FREE;
    if (isEmpty(intersect(own, constraint))) return 'no';
    if (!isWithin(own, constraint)) within = false;
  }
  return within ? 'yes' : 'maybe';
}
