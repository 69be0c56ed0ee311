import type { Input } from '../../src/input/input.ts';
import { objectId } from '../../src/model/origin.ts';

/** What answers rest on, as text: everything but where it was written. */
export function meaning(input: Input): string {
  const { cluster, program } = sorted(input);
  const seen = (key: string, value: unknown): unknown => {
    if (key === 'origin') {
      const origin = value as { object: Parameters<typeof objectId>[0]; field: string } | null;
      return origin === null ? null : `${objectId(origin.object)} ${origin.field}`;
    }
    if (value instanceof Map) return [...value.entries()].sort(([a], [b]) => (a < b ? -1 : 1));
    return typeof value === 'bigint' ? `${value}` : value;
  };
  return JSON.stringify({ cluster, program }, seen, 1);
}

function sorted(input: Input): Input {
  const byName = (a: { namespace?: string; name: string }, b: { namespace?: string; name: string }): number =>
    `${a.namespace}/${a.name}` < `${b.namespace}/${b.name}` ? -1 : 1;
  const { cluster } = input;
  const inhabited = new Set(
    [...cluster.workloads, ...cluster.services, ...cluster.routes].map((item) => item.namespace),
  );
  return {
    ...input,
    cluster: {
      ...cluster,
      // One that only objects without bearing mention (a RoleBinding, say) is left out with them.
      namespaces: new Map([...cluster.namespaces].filter(([name, n]) => n.origin !== null || inhabited.has(name))),
      nodes: [...cluster.nodes].sort(byName),
      services: [...cluster.services].sort(byName),
      routes: [...cluster.routes].sort((a, b) => byName(a, b) || (a.kind < b.kind ? -1 : 1)),
    },
  };
}
