import { suggest } from '../base/suggest.ts';
import { type Cluster, workloadId } from '../model/cluster.ts';
import { type Selector, selects } from '../model/selector.ts';
import type { ShowOptions } from './output-options.ts';
import { type Shell, UsageError } from './shell.ts';

/** Which workloads are shown, by `namespace/name[Kind]`; `null` shows everything. */
export function shownWorkloads(
  cluster: Cluster,
  options: ShowOptions & { readonly quiet?: boolean },
  shell: Pick<Shell, 'stderr'>,
): ((id: string) => boolean) | null {
  if (options.namespace === undefined && options.selector === undefined) return null;
  if (options.namespace !== undefined) checkNamespace(options.namespace, new Set(cluster.namespaces.keys()));
  const selector = options.selector === undefined ? null : parseSelector(options.selector);
  const shown = new Set<string>();
  for (const workload of cluster.workloads) {
    if (options.namespace !== undefined && workload.namespace !== options.namespace) continue;
    if (selector !== null && !workload.pods.some((pod) => selects(selector, pod.labels))) continue;
    shown.add(workloadId(workload));
  }
  if (shown.size === 0 && options.quiet !== true) {
    const wanted = [
      ...(options.namespace === undefined ? [] : [`-n ${options.namespace}`]),
      ...(options.selector === undefined ? [] : [`-l ${options.selector}`]),
    ];
    shell.stderr.write(`rampart: no workload matches \`${wanted.join(' ')}\`\n`);
  }
  return (id) => shown.has(id);
}

/** Refuses a namespace that the input does not have: nothing would be shown of it, which must not pass for an answer. */
export function checkNamespace(namespace: string, known: ReadonlySet<string>): void {
  if (known.has(namespace)) return;
  const near = suggest(namespace, known);
  const all = [...known].sort().slice(0, 10).join(', ');
  throw new UsageError(
    `no namespace \`${namespace}\` in the input`,
    near.length > 0 ? `did you mean \`${near.join('`, `')}\`?` : `there are: ${all}`,
  );
}

/** Reads a selector as `kubectl -l` does: `a=b`, `a==b`, `a!=b`, `a in (x,y)`, `a notin (x,y)`, `a`, `!a`, joined by commas. */
export function parseSelector(text: string): Selector {
  const parts = text.split(/,(?![^(]*\))/).map((part) => part.trim());
  return { kind: 'all-of', of: parts.filter((part) => part !== '').map(parseRequirement) };
}

function parseRequirement(text: string): Selector {
  const set = /^([^\s=!(),]+)\s+(in|notin)\s*\(([^)]*)\)$/.exec(text);
  if (set !== null) {
    const values = (set[3] as string).split(',').map((value) => value.trim());
    const inside: Selector = { kind: 'in', key: set[1] as string, values };
    return set[2] === 'in' ? inside : { kind: 'not', of: inside };
  }
  const comparison = /^([^\s=!(),]+)\s*(==|=|!=)\s*([^\s=!(),]*)$/.exec(text);
  if (comparison !== null) {
    const inside: Selector = { kind: 'in', key: comparison[1] as string, values: [comparison[3] as string] };
    return comparison[2] === '!=' ? { kind: 'not', of: inside } : inside;
  }
  const key = /^(!?)\s*([^\s=!(),]+)$/.exec(text);
  if (key !== null) {
    const exists: Selector = { kind: 'exists', key: key[2] as string };
    return key[1] === '!' ? { kind: 'not', of: exists } : exists;
  }
  throw new UsageError(
    `cannot read the selector \`${text}\``,
    'write it as for kubectl: app=web,tier!=db,env in (a,b),!legacy',
  );
}
