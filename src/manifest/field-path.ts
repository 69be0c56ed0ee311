/** One step of a field path: a key of a mapping or an index of a list, which only the object can tell apart. */
export type FieldStep = string;

const PLAIN_KEY = /^[A-Za-z0-9_$-]+$/;

/**
 * The steps of a path in the form of Kubernetes' own messages: `spec.ingress[0].ports[1].port`,
 * `metadata.labels[app.kubernetes.io/name]`. Never fails: an unclosed bracket is read as part of the key.
 */
export function parseFieldPath(path: string): readonly FieldStep[] {
  const steps: FieldStep[] = [];
  let i = 0;
  while (i < path.length) {
    const char = path[i];
    if (char === '.') i++;
    else if (char === '[') {
      const end = closingBracket(path, i);
      if (end < 0) {
        steps.push(path.slice(i));
        break;
      }
      steps.push(path.slice(i + 1, end));
      i = end + 1;
    } else {
      let end = i;
      while (end < path.length && path[end] !== '.' && path[end] !== '[') end++;
      steps.push(path.slice(i, end));
      i = end;
    }
  }
  return steps;
}

/** A key may hold brackets itself, so the bracket that closes it is the first that ends the step. */
function closingBracket(path: string, open: number): number {
  for (let i = path.indexOf(']', open); i >= 0; i = path.indexOf(']', i + 1)) {
    const next = path[i + 1];
    if (next === undefined || next === '.' || next === '[') return i;
  }
  return -1;
}

/** `path` extended by a key: `.key`, or `[key]` where the key is no plain word. */
export function keyPath(path: string, key: string): string {
  if (!PLAIN_KEY.test(key)) return `${path}[${key}]`;
  return path === '' ? key : `${path}.${key}`;
}

/** `path` extended by an index. */
export function indexPath(path: string, index: number): string {
  return `${path}[${index}]`;
}

/** A path inside of the object at `prefix`: `items[3]` and `spec.x` give `items[3].spec.x`. */
export function joinPath(prefix: string, path: string): string {
  if (prefix === '' || path === '') return prefix + path;
  return path.startsWith('[') ? prefix + path : `${prefix}.${path}`;
}
