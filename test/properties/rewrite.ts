/** Changes of generated objects whose effect on the answers is known. */
import type { KubeJson } from './generators.ts';

type Value = unknown;

export const metadataOf = (object: KubeJson): { readonly name: string; readonly namespace?: string } =>
  object.metadata as { readonly name: string; readonly namespace?: string };

export const specOf = (object: KubeJson): KubeJson => (object.spec ?? {}) as KubeJson;

export const POLICY_KINDS: ReadonlySet<unknown> = new Set([
  'NetworkPolicy',
  'ClusterNetworkPolicy',
  'AdminNetworkPolicy',
  'BaselineAdminNetworkPolicy',
]);

export const isPolicy = (object: KubeJson): boolean => POLICY_KINDS.has(object.kind);

/** New names that sort the other way round than the old ones. */
export const NEW_NAMESPACE: Readonly<Record<string, string>> = { x: 'nu', y: 'mu', z: 'lambda' };

/** `p3` and `q6` sort the other way round; any other name only gets an ending. */
export function newName(name: string): string {
  const numbered = /^([a-z]+)(\d)$/.exec(name);
  return numbered === null ? `${name}-new` : `${numbered[1]}-${9 - Number(numbered[2])}`;
}

/** Gives every namespace, workload, policy and Service another name, wherever it is named. */
export function renamed(objects: readonly KubeJson[]): KubeJson[] {
  return objects.map((object) => {
    const { name, namespace, ...metadata } = object.metadata as KubeJson & { name: string; namespace?: string };
    const owners = metadata.ownerReferences as readonly (KubeJson & { name: string })[] | undefined;
    const kept = object.kind === 'Node' || object.kind === 'BaselineAdminNetworkPolicy';
    const inside = renameWithin(object.spec) as KubeJson | undefined;
    const backend = inside?.defaultBackend as { readonly service: { readonly name: string } } | undefined;
    return {
      ...object,
      metadata: {
        ...metadata,
        ...(owners === undefined
          ? {}
          : { ownerReferences: owners.map((one) => ({ ...one, name: newName(one.name) })) }),
        name: object.kind === 'Namespace' ? NEW_NAMESPACE[name] : kept ? name : newName(name),
        ...(namespace === undefined ? {} : { namespace: NEW_NAMESPACE[namespace] }),
      },
      ...(inside === undefined
        ? {}
        : {
            spec:
              backend === undefined
                ? inside
                : {
                    ...inside,
                    defaultBackend: { service: { ...backend.service, name: newName(backend.service.name) } },
                  },
          }),
    };
  });
}

/** Namespaces are named in selectors by their label as well. */
function renameWithin(value: Value): Value {
  if (Array.isArray(value)) return value.map(renameWithin);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value);
  const byName = (value as KubeJson).key === 'kubernetes.io/metadata.name';
  return Object.fromEntries(
    entries.map(([key, inner]) => [
      key,
      byName && key === 'values'
        ? (inner as readonly string[]).map((name) => NEW_NAMESPACE[name] ?? name)
        : renameWithin(inner),
    ]),
  );
}

/** The types of a NetworkPolicy as S2.3 reads them. */
export function typesOf(spec: KubeJson): readonly string[] {
  const given = spec.policyTypes as readonly string[] | undefined;
  if (given !== undefined && given.length > 0) return given;
  return ((spec.egress as readonly unknown[] | undefined) ?? []).length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
}

/** Each NetworkPolicy as several: one without rules, and one for each rule, all with the same subject and types. */
export function split(objects: readonly KubeJson[]): KubeJson[] {
  return objects.flatMap((object) => {
    if (object.kind !== 'NetworkPolicy') return [object];
    const spec = specOf(object);
    const base = { podSelector: spec.podSelector, policyTypes: typesOf(spec) };
    const parts = ['ingress', 'egress'].flatMap((list) =>
      ((spec[list] as readonly unknown[] | undefined) ?? []).map((rule) => ({ ...base, [list]: [rule] })),
    );
    const metadata = metadataOf(object);
    return [base, ...parts].map((part, i) => ({
      ...object,
      metadata: { ...metadata, name: `${metadata.name}-${i}` },
      spec: part,
    }));
  });
}

/** The `index`-th NetworkPolicy with one more rule in a direction that it isolates; `null` if there is none. */
export function widened(
  objects: readonly KubeJson[],
  index: number,
  ingress: KubeJson,
  egress: KubeJson,
): KubeJson[] | null {
  const policies = objects.filter(({ kind }) => kind === 'NetworkPolicy');
  const chosen = policies[index % Math.max(1, policies.length)];
  if (chosen === undefined) return null;
  const spec = specOf(chosen);
  const types = typesOf(spec);
  const list = types.includes('Egress') && (index % 2 === 0 || !types.includes('Ingress')) ? 'egress' : 'ingress';
  const rules = [...((spec[list] as readonly KubeJson[] | undefined) ?? []), list === 'ingress' ? ingress : egress];
  return objects.map((object) => (object === chosen ? { ...object, spec: { ...spec, [list]: rules } } : object));
}

/** All objects, with every cluster-wide policy one step further back, and one in front that denies all of one direction (S4.5: from pods only). */
export function shut(objects: readonly KubeJson[], direction: 'ingress' | 'egress'): KubeJson[] {
  const everything = [{ namespaces: {} }, { networks: ['0.0.0.0/0', '::/0'] }, { nodes: {} }];
  return [
    ...objects.map((object) =>
      object.kind === 'ClusterNetworkPolicy' || object.kind === 'AdminNetworkPolicy'
        ? { ...object, spec: { ...specOf(object), priority: Number(specOf(object).priority) + 1 } }
        : object,
    ),
    {
      apiVersion: 'policy.networking.k8s.io/v1alpha2',
      kind: 'ClusterNetworkPolicy',
      metadata: { name: 'shut' },
      spec: {
        tier: 'Admin',
        priority: 0,
        subject: { namespaces: {} },
        ...(direction === 'ingress'
          ? { ingress: [{ action: 'Deny', from: [{ namespaces: {} }] }] }
          : { egress: [{ action: 'Deny', to: everything }] }),
      },
    },
  ];
}
