import { decoding } from '../cluster/decode.ts';
import { interner } from '../cluster/intern.ts';
import { treatmentOf } from '../cluster/kinds.ts';
import { operatedPods } from '../cluster/operated.ts';
import { asObject, get, isObject, stringOf } from '../kinds/validation/json.ts';
import type { Json, JsonObject } from '../manifest/object.ts';
import { withDefaults } from './api-server/defaults.ts';
import {
  labelsOf,
  madeObject,
  metadataOf,
  nameOf,
  namespaceOf,
  stableText,
  suffixOf,
  uidFor,
  uidOf,
} from './model-json.ts';

/** A node as far as placing pods needs it. */
export interface NodeFacts {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
}

/** What a controller makes, in the end. */
export interface Drafted {
  /** ReplicaSets and Jobs between the controller and its pods, owners first. */
  readonly between: readonly JsonObject[];
  /** Pods without status; those of a DaemonSet have a node. */
  readonly pods: readonly JsonObject[];
  /** How many pods the controller wants, before the limit. */
  readonly wanted: number;
}

/** Whether an object makes pods. */
export function isController(object: JsonObject): boolean {
  const treatment = treatmentOf(stringOf(object.apiVersion), stringOf(object.kind));
  return treatment === 'controller' || treatment === 'cronjob' || treatment === 'operated';
}

interface Template {
  readonly labels: JsonObject;
  readonly annotations: Json | undefined;
  readonly spec: JsonObject;
}

/** The pods that a controller makes, at most `most` (of a DaemonSet one for each node that it fits), with names as real ones. */
export function draftPods(controller: JsonObject, nodes: readonly NodeFacts[], most: number): Drafted {
  const kind = stringOf(controller.kind);
  const name = nameOf(controller);
  const spec = asObject(controller.spec);
  switch (kind) {
    case 'DaemonSet': {
      const template = templateAt(spec);
      const fitting = nodes.filter((node) => fits(template.spec, node));
      const pods = fitting.map((node) => {
        const pod = podFrom(controller, template, `${name}-${suffixOf(`${name} ${node.name}`, 5)}`);
        return { ...pod, spec: { ...asObject(pod.spec), nodeName: node.name } };
      });
      return { between: [], pods, wanted: pods.length };
    }
    case 'StatefulSet':
      return statefulPods(controller, spec, most);
    case 'Deployment': {
      const template = templateAt(spec);
      const hash = suffixOf(stableText(spec.template), 10);
      const set = replicaSet(controller, spec, `${name}-${hash}`);
      const wanted = count(spec.replicas, 1);
      return { between: [set], pods: numbered(set, template, Math.min(wanted, most)), wanted };
    }
    case 'Job': {
      const wanted = jobPods(spec);
      return { between: [], pods: numbered(controller, jobTemplate(controller), Math.min(wanted, most)), wanted };
    }
    case 'CronJob': {
      const job = jobOf(controller, spec);
      const wanted = spec.suspend === true ? 0 : jobPods(asObject(job.spec));
      const pods = numbered(job, jobTemplate(job), Math.min(wanted, most));
      return { between: wanted === 0 ? [] : [job], pods, wanted };
    }
    default: {
      if (treatmentOf(stringOf(controller.apiVersion), kind) === 'operated') return operated(controller, spec, most);
      if (!isObject(spec.template)) return { between: [], pods: [], wanted: 0 };
      const wanted = count(spec.replicas, 1);
      return { between: [], pods: numbered(controller, templateAt(spec), Math.min(wanted, most)), wanted };
    }
  }
}

function count(value: Json | undefined, other: number): number {
  return typeof value === 'number' && Number.isInteger(value) ? Math.max(0, value) : other;
}

function templateAt(spec: JsonObject): Template {
  const template = asObject(spec.template);
  const metadata = metadataOf(template);
  return { labels: asObject(metadata.labels), annotations: metadata.annotations, spec: asObject(template.spec) };
}

/** Whether a pod may run on a node, by its node selector. */
export function fits(podSpec: JsonObject, node: NodeFacts): boolean {
  for (const [key, value] of labelsOf(podSpec.nodeSelector)) if (node.labels.get(key) !== value) return false;
  return true;
}

function owned(owner: JsonObject): JsonObject {
  return {
    apiVersion: owner.apiVersion ?? '',
    kind: owner.kind ?? '',
    name: nameOf(owner),
    uid: uidOf(owner),
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** From which state of its template a pod was made: when the template changes, the pod is replaced. */
export const TEMPLATE_ANNOTATION = 'lab.rampart.dev/template';

function templateHash({ labels, annotations, spec }: Template): string {
  return suffixOf(stableText([labels, annotations ?? null, spec]), 8);
}

function podFrom(owner: JsonObject, template: Template, name: string): JsonObject {
  const namespace = namespaceOf(owner);
  const metadata: JsonObject = {
    name,
    namespace,
    uid: uidFor(`Pod/${namespace}/${name}/${uidOf(owner)}`),
    labels: template.labels,
    annotations: { ...asObject(template.annotations), [TEMPLATE_ANNOTATION]: templateHash(template) },
    ownerReferences: [owned(owner)],
  };
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: template.spec };
}

function numbered(owner: JsonObject, template: Template, how: number): JsonObject[] {
  const name = nameOf(owner);
  return Array.from({ length: how }, (_, i) => podFrom(owner, template, `${name}-${i}`));
}

function statefulPods(controller: JsonObject, spec: JsonObject, most: number): Drafted {
  const template = templateAt(spec);
  const wanted = count(spec.replicas, 1);
  const start = count(asObject(spec.ordinals).start, 0);
  const service = stringOf(spec.serviceName);
  const pods = Array.from({ length: Math.min(wanted, most) }, (_, i): JsonObject => {
    const name = `${nameOf(controller)}-${start + i}`;
    const labels = {
      ...template.labels,
      'statefulset.kubernetes.io/pod-name': name,
      'apps.kubernetes.io/pod-index': String(start + i),
    };
    const podSpec = { ...template.spec, hostname: name, ...(service === '' ? {} : { subdomain: service }) };
    return podFrom(controller, { ...template, labels, spec: podSpec }, name);
  });
  return { between: [], pods, wanted };
}

function between(
  owner: JsonObject,
  apiVersion: string,
  kind: string,
  name: string,
  spec: JsonObject,
  labels: JsonObject,
): JsonObject {
  const namespace = namespaceOf(owner);
  const uid = uidFor(`${kind}/${namespace}/${name}/${uidOf(owner)}`);
  return { apiVersion, kind, metadata: { name, namespace, uid, labels, ownerReferences: [owned(owner)] }, spec };
}

function replicaSet(deployment: JsonObject, spec: JsonObject, name: string): JsonObject {
  const { labels } = templateAt(spec);
  const wanted = { replicas: spec.replicas ?? 1, selector: spec.selector ?? {}, template: spec.template ?? {} };
  return between(deployment, 'apps/v1', 'ReplicaSet', name, wanted, labels);
}

function jobOf(cronJob: JsonObject, spec: JsonObject): JsonObject {
  const template = asObject(spec.jobTemplate);
  const labels = asObject(metadataOf(template).labels);
  const job = between(cronJob, 'batch/v1', 'Job', `${nameOf(cronJob)}-0`, asObject(template.spec), labels);
  // As the API server will have it, or its pods would be made anew from what looks like another template.
  return withDefaults('Job', job);
}

function jobPods(spec: JsonObject): number {
  if (spec.suspend === true) return 0;
  return Math.min(count(spec.parallelism, 1), count(spec.completions, count(spec.parallelism, 1)));
}

function jobTemplate(job: JsonObject): Template {
  const template = templateAt(asObject(job.spec));
  const name = nameOf(job);
  const uid = uidOf(job);
  const labels = {
    ...template.labels,
    'job-name': name,
    'batch.kubernetes.io/job-name': name,
    'controller-uid': uid,
    'batch.kubernetes.io/controller-uid': uid,
  };
  return { ...template, labels };
}

/** Pods of an operator, as StatefulSets of one name for each shard would have them. */
function operated(controller: JsonObject, spec: JsonObject, most: number): Drafted {
  const shards = operatedPods(interner(), decoding(madeObject(controller), []));
  const wanted = count(spec.replicas, 1);
  const base = `${stringOf(controller.kind).toLowerCase()}-${nameOf(controller)}`;
  const pods = shards.flatMap((shard, i) => {
    const template: Template = {
      labels: Object.fromEntries(shard.labels),
      annotations: undefined,
      spec: {
        ...(shard.hostNetwork ? { hostNetwork: true } : {}),
        ...(isObject(get(spec, 'nodeSelector')) ? { nodeSelector: asObject(get(spec, 'nodeSelector')) } : {}),
        containers: [
          {
            name: 'main',
            ports: shard.ports.map(({ name, port, protocol }) => ({
              ...(name === null ? {} : { name }),
              containerPort: port,
              protocol,
            })),
          },
        ],
      },
    };
    const stem = i === 0 ? base : `${base}-shard-${i}`;
    return Array.from({ length: Math.min(wanted, most) }, (_, n) => podFrom(controller, template, `${stem}-${n}`));
  });
  return { between: [], pods, wanted: wanted * shards.length };
}
