/** The labels of one object. A map, since `constructor` and `__proto__` are legal label keys. */
export type Labels = ReadonlyMap<string, string>;

/**
 * A predicate over labels. Kubernetes selectors lower to `all-of` over `in`, `exists` and their negations (S1.3); the
 * other forms carry the expression languages of other engines.
 */
export type Selector =
  | { readonly kind: 'everything' }
  | { readonly kind: 'nothing' }
  /** Key present, value one of `values`. */
  | {
      readonly kind: 'in';
      readonly key: string;
      readonly values: readonly string[];
      /** Written under `matchLabels`; only for showing it again. */
      readonly asLabel?: true;
    }
  | { readonly kind: 'exists'; readonly key: string }
  | { readonly kind: 'not'; readonly of: Selector }
  | { readonly kind: 'all-of'; readonly of: readonly Selector[] }
  | { readonly kind: 'any-of'; readonly of: readonly Selector[] };

export const EVERYTHING: Selector = { kind: 'everything' };
export const NOTHING: Selector = { kind: 'nothing' };

/** Whether the labels satisfy the selector. */
export function selects(selector: Selector, labels: Labels): boolean {
  switch (selector.kind) {
    case 'everything':
      return true;
    case 'nothing':
      return false;
    case 'in': {
      const value = labels.get(selector.key);
      return value !== undefined && selector.values.includes(value);
    }
    case 'exists':
      return labels.has(selector.key);
    case 'not':
      return !selects(selector.of, labels);
    case 'all-of':
      return selector.of.every((part) => selects(part, labels));
    case 'any-of':
      return selector.of.some((part) => selects(part, labels));
  }
}

/** A text that is equal for structurally equal selectors; used to intern them. */
export function selectorKey(selector: Selector): string {
  switch (selector.kind) {
    case 'everything':
      return '*';
    case 'nothing':
      return '0';
    case 'in':
      return `${JSON.stringify(selector.key)}=${JSON.stringify([...selector.values].sort())}`;
    case 'exists':
      return `?${JSON.stringify(selector.key)}`;
    case 'not':
      return `!(${selectorKey(selector.of)})`;
    case 'all-of':
      return `&(${selector.of.map(selectorKey).sort().join(',')})`;
    case 'any-of':
      return `|(${selector.of.map(selectorKey).sort().join(',')})`;
  }
}

/** The selector in the field's usual short form: `app=web,tier in (a,b),!legacy`. */
export function formatSelector(selector: Selector): string {
  switch (selector.kind) {
    case 'everything':
      return 'everything';
    case 'nothing':
      return 'nothing';
    case 'in':
      return selector.values.length === 1
        ? `${selector.key}=${selector.values[0]}`
        : `${selector.key} in (${selector.values.join(',')})`;
    case 'exists':
      return selector.key;
    case 'not': {
      const inner = selector.of;
      if (inner.kind === 'exists') return `!${inner.key}`;
      if (inner.kind === 'in') {
        return inner.values.length === 1
          ? `${inner.key}!=${inner.values[0]}`
          : `${inner.key} notin (${inner.values.join(',')})`;
      }
      return `not (${formatSelector(inner)})`;
    }
    case 'all-of':
      return selector.of.map(formatSelector).join(',');
    case 'any-of':
      return selector.of.map((part) => `(${formatSelector(part)})`).join(' or ');
  }
}
