import { createHash } from 'node:crypto';
import { type Cidr, parseCidr } from '../base/ip.ts';
import { CLUSTER_CODES } from '../cluster/codes.ts';
import { decoding, isObject, listAt, objectAt, refused, textAt } from '../cluster/decode.ts';
import { type Interner, internEntries } from '../cluster/intern.ts';
import { namedNamespace, namespaceOf, nodeOf, podOf } from '../cluster/one-object.ts';
import { KIND_CODES } from '../kinds/codes.ts';
import type { Fragment } from '../kinds/kind.ts';
import { readPolicies } from '../kinds/registry.ts';
import type { Json, JsonObject, KubeObject } from '../manifest/object.ts';
import type { Namespace, Node, Pod } from '../model/cluster.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import { MATCH_ANYTHING } from '../model/match.ts';
import { type ObjectRef, objectId } from '../model/origin.ts';
import { DIRECTIONS, type Policy } from '../model/program.ts';
import { EVERYTHING } from '../model/selector.ts';

/** The object with its name and type, as far as it has them; `null` for something without a name. */
export function kubeObject(json: JsonObject): KubeObject | null {
  const metadata = isObject(json.metadata) ? json.metadata : null;
  const name = text(metadata?.name);
  const apiVersion = text(json.apiVersion);
  const kind = text(json.kind);
  if (name === null || apiVersion === null || kind === null) return null;
  return { ref: { apiVersion, kind, namespace: text(metadata?.namespace), name, source: null }, value: json };
}

function text(json: Json | undefined): string | null {
  return typeof json === 'string' && json !== '' ? json : null;
}

/** `namespace/name`: how the agent finds the object of a kind again. */
export function keyOf(ref: Pick<ObjectRef, 'namespace' | 'name'>): string {
  return ref.namespace === null ? ref.name : `${ref.namespace}/${ref.name}`;
}

/** `metadata.uid`; `null` for an object without one. */
export function uidOf(object: KubeObject): string | null {
  return isObject(object.value.metadata) ? text(object.value.metadata.uid) : null;
}

/** A pod as an API server tells of it. */
export interface SeenPod {
  /** With the addresses of its status. */
  readonly pod: Pod;
  readonly uid: string;
  /** The uid that its sandbox is made for: a static pod has another one on its node than at the API server. */
  readonly sandbox: string;
  /** `metadata.creationTimestamp` in whole seconds since 1970; 0 where there is none. */
  readonly created: number;
  readonly finished: boolean;
}

/** Kubelets put it on what they tell the API server of their static pods. */
const MIRROR = 'kubernetes.io/config.mirror';

// No label has such a key, so nothing else can carry it.
const UNDECODABLE_KEY = '\0undecodable';

/** Reads a Pod; one that cannot be decoded stands where it can be seen to stand, closed. */
export function seenPod(shared: Interner, object: KubeObject, diagnostics: Diagnostic[]): SeenPod {
  const of = decoding(object, diagnostics);
  const { pod, finished } = podOf(shared, of, object.ref.namespace ?? 'default');
  const metadata = isObject(object.value.metadata) ? object.value.metadata : {};
  const created = Math.floor(Date.parse(text(metadata.creationTimestamp) ?? '') / 1000);
  const uid = text(metadata.uid) ?? '';
  const annotations = isObject(metadata.annotations) ? metadata.annotations : {};
  const mirrored = Object.hasOwn(annotations, MIRROR) ? text(annotations[MIRROR]) : null;
  const known = { uid, sandbox: mirrored ?? uid, created: Number.isNaN(created) ? 0 : created };
  if (of.fault === null) return { pod, finished, ...known };
  const { field, message } = of.fault;
  diagnostics.push(closedPod(object.ref, field, message));
  const labels = internEntries(shared, [[UNDECODABLE_KEY, '']]);
  return { pod: { ...pod, labels, ports: [] }, finished: false, ...known };
}

function closedPod(object: ObjectRef, field: string, message: string): Diagnostic {
  const help = 'nothing may reach it, and it may reach nothing';
  const { code, severity } = CLUSTER_CODES.undecodable;
  return { code, severity, message, help, origin: { object, field } };
}

/** Whether this is a pod that {@link seenPod} could not decode. */
export function isUndecodable(pod: Pod): boolean {
  return pod.labels.has(UNDECODABLE_KEY);
}

/** Comes before every other policy, and closes the pods that cannot be decoded. */
export const UNDECODABLE_POLICY: Policy = undecodablePolicy();

function undecodablePolicy(): Policy {
  const object: ObjectRef = {
    apiVersion: 'rampart.dev/v1alpha1',
    kind: 'Undecodable',
    namespace: null,
    name: 'pods',
    source: null,
  };
  return {
    id: objectId(object),
    subject: {
      kind: 'pods',
      namespaces: { kind: 'labelled', labels: EVERYTHING },
      pods: { kind: 'exists', key: UNDECODABLE_KEY },
    },
    isolates: [],
    rules: DIRECTIONS.map((direction) => ({
      direction,
      index: 0,
      name: null,
      match: MATCH_ANYTHING,
      action: 'deny',
      log: false,
      origin: { object, field: '' },
    })),
    rank: -1,
    origin: { object, field: '' },
  };
}

/** Reads a Namespace; the labels of one that cannot be decoded are unknown. */
export function seenNamespace(shared: Interner, object: KubeObject, diagnostics: Diagnostic[]): Namespace {
  const namespace = namespaceOf(shared, decoding(object, diagnostics));
  return namespace ?? { ...namedNamespace(shared, object.ref.name), labels: null };
}

/** A node, with the blocks that its pods get their addresses from. */
export interface SeenNode {
  readonly node: Node;
  readonly podRanges: readonly Cidr[];
}

/** Reads a Node; `null` if it cannot be decoded. */
export function seenNode(shared: Interner, object: KubeObject, diagnostics: Diagnostic[]): SeenNode | null {
  const of = decoding(object, diagnostics);
  const node = nodeOf(shared, of);
  if (node === null) return null;
  const spec = objectAt(of, object.value.spec, 'spec', '');
  const list = listAt(of, spec.podCIDRs, 'podCIDRs', 'spec');
  const single = textAt(of, spec.podCIDR, 'podCIDR', 'spec');
  if (refused(of)) return null;
  const texts = list.length > 0 ? list : single === null ? [] : [single];
  const podRanges = texts.flatMap((each) => (typeof each === 'string' ? (parseCidr(each) ?? []) : []));
  return { node, podRanges };
}

/** A policy object and what it lowers to. */
export interface SeenPolicy {
  readonly fragment: Fragment;
  /** What of it is not understood, hence closed. */
  readonly diagnostics: readonly Diagnostic[];
  /** Equal for objects that mean the same. */
  readonly digest: string;
  readonly uid: string | null;
  /** `metadata.creationTimestamp` in milliseconds since 1970; `null` where there is none. */
  readonly created: number | null;
}

/** What tells a policy from another one of its name. */
export function originOf(object: KubeObject): Pick<SeenPolicy, 'uid' | 'created'> {
  const metadata = isObject(object.value.metadata) ? object.value.metadata : {};
  const created = Date.parse(text(metadata.creationTimestamp) ?? '');
  return { uid: uidOf(object), created: Number.isNaN(created) ? null : created };
}

/** Reads a policy that an API server has stored; `null` for an object of no kind of policy. */
export function seenPolicy(object: KubeObject, digest: string): SeenPolicy | null {
  const known = { digest, ...originOf(object) };
  try {
    const { fragments, diagnostics } = readPolicies([object], { stored: true });
    const [fragment] = fragments;
    return fragment === undefined ? null : { fragment, diagnostics, ...known };
  } catch (error) {
    // We are wrong, and the policy must not be ignored for that.
    return { ...unreadablePolicy(object.ref, String(error)), ...known };
  }
}

/** Isolates whatever the policy might select: the pods of its namespace, or all. */
function unreadablePolicy(object: ObjectRef, why: string): Pick<SeenPolicy, 'fragment' | 'diagnostics'> {
  const origin = { object, field: '' };
  const { namespace } = object;
  const { code, severity } = KIND_CODES['wrong-type'];
  const message = `the policy cannot be read: ${why}`;
  const help = `every pod ${namespace === null ? '' : 'of its namespace '}is isolated`;
  return {
    fragment: {
      slot: 'networkpolicy',
      policy: {
        id: objectId(object),
        subject: {
          kind: 'pods',
          namespaces:
            namespace === null ? { kind: 'labelled', labels: EVERYTHING } : { kind: 'named', name: namespace },
          pods: EVERYTHING,
        },
        isolates: DIRECTIONS,
        rules: [],
        rank: 0,
        origin,
      },
    },
    diagnostics: [{ code, severity, message, help, origin }],
  };
}

/** A text that differs for objects that differ in anything but their metadata and status. */
export function digestOf(object: KubeObject): string {
  const { metadata: _, status: __, ...rest } = object.value;
  return createHash('sha1').update(JSON.stringify(rest)).digest('base64');
}
