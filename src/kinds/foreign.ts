import { byText } from '../base/order.ts';
import { editDistance } from '../base/suggest.ts';
import type { KubeObject } from '../manifest/object.ts';
import { perType } from '../manifest/per-type.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { ObjectRef } from '../model/origin.ts';
import { KIND_CODES, type KindCodeName } from './codes.ts';
import type { TierSlot } from './kind.ts';

/** Why policies of a slot are missing. */
export type Unread = Readonly<Partial<Record<TierSlot, string>>>;

interface Engine {
  readonly name: string;
  readonly groups: readonly string[];
  readonly kinds: readonly string[];
}

/** The policy kinds of other engines; any version of their API groups counts. */
const ENGINES: readonly Engine[] = [
  {
    name: 'Calico',
    groups: ['projectcalico.org', 'crd.projectcalico.org'],
    kinds: [
      'NetworkPolicy',
      'GlobalNetworkPolicy',
      'StagedNetworkPolicy',
      'StagedGlobalNetworkPolicy',
      'StagedKubernetesNetworkPolicy',
      'Tier',
      'NetworkSet',
      'GlobalNetworkSet',
      'HostEndpoint',
    ],
  },
  {
    name: 'Cilium',
    groups: ['cilium.io'],
    kinds: ['CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy', 'CiliumCIDRGroup'],
  },
  {
    name: 'Istio',
    groups: ['security.istio.io'],
    kinds: ['AuthorizationPolicy', 'PeerAuthentication', 'RequestAuthentication'],
  },
];

function engineOf(ref: Pick<ObjectRef, 'apiVersion' | 'kind'>): Engine | undefined {
  const group = groupOf(ref);
  return ENGINES.find((engine) => engine.groups.includes(group) && engine.kinds.includes(ref.kind));
}

/** Kinds whose other versions must not be taken for objects without bearing on the network. */
const VERSIONED: readonly {
  readonly group: string;
  readonly kind: string;
  readonly slots: readonly TierSlot[];
  /** Versions that every current API server has dropped. */
  readonly removed: readonly string[];
}[] = [
  { group: 'networking.k8s.io', kind: 'NetworkPolicy', slots: ['networkpolicy'], removed: [] },
  { group: 'extensions', kind: 'NetworkPolicy', slots: ['networkpolicy'], removed: ['v1beta1'] },
  { group: 'policy.networking.k8s.io', kind: 'AdminNetworkPolicy', slots: ['admin'], removed: [] },
  { group: 'policy.networking.k8s.io', kind: 'BaselineAdminNetworkPolicy', slots: ['baseline'], removed: [] },
  { group: 'policy.networking.k8s.io', kind: 'ClusterNetworkPolicy', slots: ['admin', 'baseline'], removed: [] },
];

/** Every kind of the groups that have policies; another one there is a slip of the pen. */
const KINDS_OF: ReadonlyMap<string, readonly string[]> = new Map([
  ['networking.k8s.io', ['NetworkPolicy', 'Ingress', 'IngressClass', 'IPAddress', 'ServiceCIDR', 'ClusterCIDR']],
  ['policy.networking.k8s.io', ['ClusterNetworkPolicy', 'AdminNetworkPolicy', 'BaselineAdminNetworkPolicy']],
]);

/**
 * What to write instead, for an object that no API server takes and that was most likely meant to be a policy: an unknown
 * kind in a group of policies, or nearly the name of a policy kind in a group of Kubernetes' own. `null` for all others.
 */
function misspelt(ref: Pick<ObjectRef, 'apiVersion' | 'kind'>): string | null {
  const group = groupOf(ref);
  const kinds = KINDS_OF.get(group);
  if (kinds !== undefined && (kinds.includes(ref.kind) || kinds.some((kind) => `${kind}List` === ref.kind)))
    return null;
  const near = (a: string, b: string): boolean => editDistance(a.toLowerCase(), b.toLowerCase(), 2) <= 2;
  const meant = VERSIONED.find(({ kind, removed }) => removed.length === 0 && near(kind, ref.kind));
  const help =
    meant === undefined ? 'look at `apiVersion` and `kind`' : `did you mean \`${meant.kind}\` of \`${meant.group}\`?`;
  if (kinds !== undefined) return help;
  const own =
    !group.includes('.') || group.endsWith('k8s.io') || [...KINDS_OF.keys()].some((name) => near(name, group));
  return own && meant !== undefined ? help : null;
}

function groupOf(ref: Pick<ObjectRef, 'apiVersion'>): string {
  const slash = ref.apiVersion.indexOf('/');
  return slash < 0 ? '' : ref.apiVersion.slice(0, slash);
}

/** Whether the object is a policy (or part of one) of an engine that the profile `kubernetes` does not have. */
export function isForeign(ref: Pick<ObjectRef, 'apiVersion' | 'kind'>): boolean {
  return engineOf(ref) !== undefined;
}

/** One diagnostic for each foreign kind, with the number of its objects, at the first of them. */
export function reportForeign(objects: readonly KubeObject[]): readonly Diagnostic[] {
  const kinds = new Map<string, { readonly first: ObjectRef; count: number }>();
  for (const { ref } of objects) {
    const key = `${groupOf(ref)}/${ref.kind}`;
    const known = kinds.get(key);
    if (known === undefined) kinds.set(key, { first: ref, count: 1 });
    else known.count++;
  }
  return [...kinds.entries()]
    .sort(([a], [b]) => byText(a, b))
    .map(([, { first, count }]) => {
      const engine = engineOf(first)?.name ?? 'another engine';
      const objectsText = count === 1 ? '1 object is' : `${count} objects are`;
      return diagnostic(
        'not-enforced',
        `\`${first.kind}\` of ${engine} is not enforced under profile \`kubernetes\`: ${objectsText} ignored`,
        first,
      );
    });
}

/** Why no object of a type can be read. */
interface Complaint {
  readonly name: KindCodeName;
  readonly message: string;
  /** What to write instead, where every API server refuses the type. */
  readonly refused: string | null;
  readonly slots: readonly TierSlot[];
}

function complaintAbout(type: Pick<ObjectRef, 'apiVersion' | 'kind'>): Complaint | null {
  const entry = VERSIONED.find(({ group, kind }) => kind === type.kind && group === groupOf(type));
  const none = `no matches for kind \`${type.kind}\` in version \`${type.apiVersion}\``;
  if (entry === undefined) {
    const meant = misspelt(type);
    return meant === null ? null : { name: 'no-such-kind', message: none, refused: meant, slots: [] };
  }
  if (entry.removed.includes(type.apiVersion.slice(entry.group.length + 1))) {
    const meant = 'write `apiVersion: networking.k8s.io/v1`';
    return { name: 'removed-version', message: none, refused: meant, slots: [] };
  }
  const message = `\`${type.kind}\` of version \`${type.apiVersion}\` cannot be read`;
  return { name: 'unknown-version', message, refused: null, slots: entry.slots };
}

/**
 * Takes the policies of known kinds but unknown versions, and of misspelt kinds, out of `objects`. A removed version is
 * refused by every API server; any other may be in force somewhere, so the slot counts as not fully read.
 */
export function unreadVersions(objects: readonly KubeObject[]): {
  readonly diagnostics: readonly Diagnostic[];
  readonly unread: Unread;
  readonly rest: readonly KubeObject[];
} {
  const complaintOf = perType(complaintAbout);
  const diagnostics: Diagnostic[] = [];
  const unread: Partial<Record<TierSlot, string>> = {};
  const rest: KubeObject[] = [];
  for (const object of objects) {
    const complaint = complaintOf(object.ref);
    if (complaint === null) {
      rest.push(object);
      continue;
    }
    const { name, message, refused, slots } = complaint;
    const said = diagnostic(name, message, object.ref);
    diagnostics.push(refused === null ? said : { ...said, help: refused, refused: true });
    for (const slot of slots) unread[slot] ??= message;
  }
  return { diagnostics, unread, rest };
}

function diagnostic(name: KindCodeName, message: string, object: ObjectRef): Diagnostic {
  const { code, severity } = KIND_CODES[name];
  return { code, severity, message, origin: { object, field: '' } };
}
