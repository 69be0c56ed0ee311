import { by, byText, type Order } from '../base/order.ts';
import type { KubeObject } from '../manifest/object.ts';
import type { Node, Pod, Workload } from '../model/cluster.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { Origin } from '../model/origin.ts';
import type { Labels } from '../model/selector.ts';
import { type Decoding, decoding, isObject, listAt, numberAt, objectAt, refused, remark, textAt } from './decode.ts';
import { type Interner, internEntries, internLabels } from './intern.ts';
import type { Treatment } from './kinds.ts';
import { type ByThree, getByThree, type ObjectIndex, setByThree } from './object-index.ts';
import { podOf } from './one-object.ts';
import { operatedPods } from './operated.ts';
import { controllerOf, makesPods, type OwnerRef, type TopOwner, topOwner } from './owners.ts';
import { podNetwork } from './pod-spec.ts';

/** What the pods of one top-most controller are gathered in. */
interface Gathering {
  readonly namespace: string;
  readonly name: string;
  readonly kind: string;
  readonly origin: Origin;
  readonly pods: Pod[];
  readonly templates: Template[];
}

/** The pods that one controller would make. */
interface Template {
  readonly pods: readonly Pod[];
  readonly replicas: number | null;
  /** Of the top-most controller itself, not of one below it. */
  readonly own: boolean;
  /** Deduced from fields of an operator, so the template of a controller below is better. */
  readonly deduced: boolean;
}

/** Gathers pods and controllers into workloads. */
export interface WorkloadGatherer {
  readonly shared: Interner;
  readonly objects: ObjectIndex;
  readonly nodes: ReadonlyMap<string, Node>;
  readonly diagnostics: Diagnostic[];
  /** By type, namespace and name of an owner, which need not be the top-most one. */
  readonly owned: ByThree<Gathering>;
  /** By kind, namespace and name of the top-most controller. */
  readonly gatherings: ByThree<Gathering>;
  readonly all: Gathering[];
}

export function workloadGatherer(
  shared: Interner,
  objects: ObjectIndex,
  nodes: ReadonlyMap<string, Node>,
  diagnostics: Diagnostic[],
): WorkloadGatherer {
  return { shared, objects, nodes, diagnostics, owned: new Map(), gatherings: new Map(), all: [] };
}

/** Takes in a Pod: left out if it has finished, else one of its top-most controller's. */
export function gatherPod(into: WorkloadGatherer, object: KubeObject, namespace: string): void {
  const of = decoding(object, into.diagnostics);
  const { pod, finished } = podOf(into.shared, of, namespace);
  const owner = controllerOf(of, object.value);
  if (refused(of)) return;
  if (finished) return;
  const addresses =
    pod.addresses.length === 0 && pod.hostNetwork && pod.node !== null
      ? into.nodes.get(pod.node)?.addresses
      : undefined;
  gatheringFor(into, object, namespace, owner).pods.push(addresses === undefined ? pod : { ...pod, addresses });
}

/** Takes in an object that makes pods. */
export function gatherController(
  into: WorkloadGatherer,
  object: KubeObject,
  namespace: string,
  treatment: Treatment,
): void {
  const of = decoding(object, into.diagnostics);
  const named = controllerOf(of, object.value);
  const owner = named !== null && makesPods(into.objects, named) ? named : null;
  const spec = objectAt(of, object.value.spec, 'spec', '');
  const replicas = treatment === 'cronjob' ? null : numberAt(of, spec.replicas, 'replicas', 'spec');
  const pods = treatment === 'operated' ? deducedPods(into, of, namespace) : templatePods(into, of, namespace);
  if (refused(of)) return;
  if (pods === null || hasFinished(of)) return;
  gatheringFor(into, object, namespace, owner).templates.push({
    pods,
    replicas,
    own: owner === null,
    deduced: treatment === 'operated',
  });
}

function deducedPods(into: WorkloadGatherer, of: Decoding, namespace: string): Pod[] {
  return operatedPods(into.shared, of).map((made) =>
    templatePod(of, namespace, 'spec', made.labels, made.ports, made.hostNetwork),
  );
}

function templatePods(into: WorkloadGatherer, of: Decoding, namespace: string): Pod[] | null {
  const { kind, name } = of.object.ref;
  let parent = objectAt(of, of.object.value.spec, 'spec', '');
  let path = 'spec';
  if (kind === 'CronJob') {
    parent = objectAt(of, objectAt(of, parent.jobTemplate, 'jobTemplate', path).spec, 'spec', 'spec.jobTemplate');
    path = 'spec.jobTemplate.spec';
  }
  if (kind === 'Rollout' && (parent.template ?? null) === null) {
    remark(of, 'no-template', 'spec', 'has no `spec.template`, so its pods are unknown', 'give the pods as well');
    return null;
  }
  const template = objectAt(of, parent.template, 'template', path);
  const at = `${path}.template`;
  const labelsAt = objectAt(of, objectAt(of, template.metadata, 'metadata', at).labels, 'labels', `${at}.metadata`);
  let labels = internLabels(into.shared, of, labelsAt, `${at}.metadata.labels`);
  if (kind === 'Job') {
    // An API server adds these to the template of a Job when it is created (the uid labels are not known before).
    labels = internEntries(into.shared, [...labels, ['job-name', name], ['batch.kubernetes.io/job-name', name]]);
  }
  const network = podNetwork(into.shared, of, objectAt(of, template.spec, 'spec', at), `${at}.spec`);
  return [templatePod(of, namespace, at, labels, network.ports, network.hostNetwork)];
}

function templatePod(
  of: Decoding,
  namespace: string,
  field: string,
  labels: Labels,
  ports: Pod['ports'],
  hostNetwork: boolean,
): Pod {
  const object = of.object.ref;
  const name = object.name;
  const origin = { object, field };
  return { namespace, name, labels, ports, addresses: [], hostNetwork, node: null, template: true, origin };
}

/** A Job that is done makes no further pods. */
function hasFinished(of: Decoding): boolean {
  if (of.object.ref.kind !== 'Job') return false;
  const quiet = decoding(of.object, []);
  const conditions = listAt(
    quiet,
    objectAt(quiet, of.object.value.status, 'status', '').conditions,
    'conditions',
    'status',
  );
  return conditions.some((condition) => {
    if (!isObject(condition)) return false;
    const type = textAt(quiet, condition.type, 'type', '');
    const status = textAt(quiet, condition.status, 'status', '');
    return (type === 'Complete' || type === 'Failed') && status === 'True';
  });
}

function gatheringFor(
  into: WorkloadGatherer,
  object: KubeObject,
  namespace: string,
  owner: OwnerRef | null,
): Gathering {
  if (owner === null) return gatheringUnder(into, object, namespace, null, 0);
  const type = into.objects.typeOf(owner).name;
  const known = getByThree(into.owned, type, namespace, owner.name);
  if (known !== undefined) return known;
  const found = gatheringUnder(into, object, namespace, topOwner(into.objects, namespace, owner), owner.index);
  setByThree(into.owned, type, namespace, owner.name, found);
  return found;
}

function gatheringUnder(
  into: WorkloadGatherer,
  object: KubeObject,
  namespace: string,
  top: TopOwner | null,
  ownerIndex: number,
): Gathering {
  const kind = top?.kind ?? object.ref.kind;
  const name = top?.name ?? object.ref.name;
  const known = getByThree(into.gatherings, kind, namespace, name);
  if (known !== undefined) return known;
  const origin: Origin =
    top === null
      ? { object: object.ref, field: '' }
      : top.object !== null
        ? { object: top.object.ref, field: '' }
        : { object: object.ref, field: `metadata.ownerReferences[${ownerIndex}]` };
  const made: Gathering = { namespace, name, kind, origin, pods: [], templates: [] };
  setByThree(into.gatherings, kind, namespace, name, made);
  into.all.push(made);
  return made;
}

const podOrder = by((pod: Pod) => pod.name, byText);
const workloadOrder: Order<Workload> = (a, b) =>
  byText(a.namespace, b.namespace) || byText(a.name, b.name) || byText(a.kind, b.kind);

/** The workloads, in order: real pods where a controller has any, else the pods of its template. */
export function gatheredWorkloads(from: WorkloadGatherer): Workload[] {
  const out: Workload[] = [];
  for (const { namespace, name, kind, origin, pods, templates } of from.all) {
    const made = pods.length > 0 ? pods : chosen(templates).flatMap((template) => template.pods);
    if (made.length === 0) continue;
    if (made.length > 1) made.sort(podOrder);
    const replicas = templates.find((template) => template.own)?.replicas ?? null;
    out.push({ namespace, name, kind, pods: made, replicas, origin });
  }
  return out.sort(workloadOrder);
}

/** A controller's own template; without one, those of the controllers below it that still want pods. */
function chosen(templates: readonly Template[]): readonly Template[] {
  const own = templates.filter((template) => template.own);
  const below = templates.filter((template) => !template.own);
  if (own.length > 0 && (below.length === 0 || !own.some((template) => template.deduced))) return own;
  const wanted = below.filter((template) => template.replicas !== 0);
  return wanted.length > 0 ? wanted : below;
}
