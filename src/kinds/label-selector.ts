import type { Json } from '../manifest/object.ts';
import { EVERYTHING, type Selector } from '../model/selector.ts';
import { complain, type Decoding, get, isList, isObject, show, unknownFields } from './decoding.ts';

const NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** Whether a label may have this key: `name` or `prefix/name`. */
export function isLabelKey(text: string): boolean {
  const slash = text.indexOf('/');
  if (slash < 0) return NAME.test(text);
  const prefix = text.slice(0, slash);
  return prefix.length <= 253 && SUBDOMAIN.test(prefix) && NAME.test(text.slice(slash + 1));
}

/** Whether a label may have this value. */
export function isLabelValue(text: string): boolean {
  return text === '' || NAME.test(text);
}

/** Lowers a Kubernetes LabelSelector (S1.3); `null`, with diagnostics, if any part of it cannot be understood. */
export function decodeLabelSelector(decoding: Decoding, json: Json, path: string): Selector | null {
  if (!isObject(json)) {
    complain(decoding, 'wrong-type', path, `a label selector must be an object, not ${show(json)}`);
    return null;
  }
  let understood = unknownFields(decoding, json, ['matchLabels', 'matchExpressions'], path).length === 0;
  const parts: Selector[] = [];

  const labels = get(json, 'matchLabels');
  if (labels !== undefined && !isObject(labels)) {
    complain(decoding, 'wrong-type', `${path}.matchLabels`, `must be an object, not ${show(labels)}`);
    understood = false;
  } else if (labels !== undefined) {
    for (const [key, value] of Object.entries(labels)) {
      const at = `${path}.matchLabels`;
      const part = requirement(decoding, key, 'In', [value], { key: at, operator: at, values: () => at });
      if (part === null) understood = false;
      else parts.push(part.kind === 'in' ? { ...part, asLabel: true } : part);
    }
  }

  const expressions = get(json, 'matchExpressions');
  if (expressions !== undefined && !isList(expressions)) {
    complain(decoding, 'wrong-type', `${path}.matchExpressions`, `must be a list, not ${show(expressions)}`);
    understood = false;
  } else if (expressions !== undefined) {
    for (const [index, expression] of expressions.entries()) {
      const part = decodeExpression(decoding, expression, `${path}.matchExpressions[${index}]`);
      if (part === null) understood = false;
      else parts.push(part);
    }
  }

  if (!understood) return null;
  const [first] = parts;
  if (first === undefined) return EVERYTHING;
  return parts.length === 1 ? first : { kind: 'all-of', of: parts };
}

function decodeExpression(decoding: Decoding, json: Json, path: string): Selector | null {
  if (!isObject(json)) {
    complain(decoding, 'wrong-type', path, `a requirement must be an object, not ${show(json)}`);
    return null;
  }
  if (unknownFields(decoding, json, ['key', 'operator', 'values'], path).length > 0) return null;
  const values = get(json, 'values') ?? [];
  if (!isList(values)) {
    complain(decoding, 'wrong-type', `${path}.values`, `must be a list, not ${show(values)}`);
    return null;
  }
  const key = get(json, 'key');
  const operator = get(json, 'operator');
  if (typeof key !== 'string') {
    complain(decoding, 'bad-selector', `${path}.key`, `must be a label key, not ${show(key)}`);
    return null;
  }
  if (typeof operator !== 'string') {
    complain(decoding, 'bad-selector', `${path}.operator`, `must be a selector operator, not ${show(operator)}`);
    return null;
  }
  return requirement(decoding, key, operator, values, {
    key: `${path}.key`,
    operator: `${path}.operator`,
    values: (index) => (index === null ? `${path}.values` : `${path}.values[${index}]`),
  });
}

/** The fields that the parts of a requirement come from. */
interface Paths {
  readonly key: string;
  readonly operator: string;
  readonly values: (index: number | null) => string;
}

function requirement(
  decoding: Decoding,
  key: string,
  operator: string,
  values: readonly Json[],
  paths: Paths,
): Selector | null {
  if (!isLabelKey(key)) {
    complain(decoding, 'bad-selector', paths.key, `${show(key)} is not a valid label key`);
    return null;
  }
  const texts: string[] = [];
  for (const [index, value] of values.entries()) {
    if (typeof value !== 'string' || !isLabelValue(value)) {
      const hint = typeof value === 'string' || typeof value === 'object' ? undefined : 'put it in quotes';
      const message = `${show(value)} is not a valid value for label \`${key}\``;
      complain(decoding, 'bad-selector', paths.values(index), message, hint);
      return null;
    }
    texts.push(value);
  }
  switch (operator) {
    case 'In':
    case 'NotIn': {
      if (texts.length === 0) {
        complain(decoding, 'bad-selector', paths.values(null), `operator \`${operator}\` needs at least one value`);
        return null;
      }
      const within: Selector = { kind: 'in', key, values: texts };
      return operator === 'In' ? within : { kind: 'not', of: within };
    }
    case 'Exists':
    case 'DoesNotExist': {
      if (texts.length > 0) {
        complain(decoding, 'bad-selector', paths.values(null), `operator \`${operator}\` takes no values`);
        return null;
      }
      const exists: Selector = { kind: 'exists', key };
      return operator === 'Exists' ? exists : { kind: 'not', of: exists };
    }
    default:
      complain(decoding, 'bad-selector', paths.operator, `${show(operator)} is not a valid selector operator`);
      return null;
  }
}
