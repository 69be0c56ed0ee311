import { asObject } from '../kinds/validation/json.ts';
import type { JsonObject, KubeObject } from '../manifest/object.ts';
import type { LabDns, LabObject, LabPod, LabService } from './model.ts';
import { labelsOf, madeObject } from './model-json.ts';

const HOME = 'kube-system';
const SERVICE = 'kube-dns';
const LABEL = 'k8s-app';

/** The objects, with a DNS pod and its Service where there are none and they are wanted. */
export function addDns(given: readonly KubeObject[], isWanted: boolean): readonly LabObject[] {
  const objects = given.filter(({ ref }) => ref.kind !== 'Node' || ref.apiVersion !== 'v1');
  const all = objects.map((object): LabObject => ({ by: 'manifest', object }));
  if (!isWanted || objects.some(isDns)) return all;
  const pod: JsonObject = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'coredns', namespace: HOME, labels: { [LABEL]: SERVICE } },
    spec: {
      containers: [
        {
          name: 'coredns',
          // Nobody runs it, but a real API server wants one.
          image: 'localhost/rampart-lab-dns',
          ports: [
            { name: 'dns', containerPort: 53, protocol: 'UDP' },
            { name: 'dns-tcp', containerPort: 53, protocol: 'TCP' },
          ],
        },
      ],
    },
  };
  const service: JsonObject = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: SERVICE, namespace: HOME, labels: { [LABEL]: SERVICE } },
    spec: {
      selector: { [LABEL]: SERVICE },
      ipFamilyPolicy: 'PreferDualStack',
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP', targetPort: 53 },
        { name: 'dns-tcp', port: 53, protocol: 'TCP', targetPort: 53 },
      ],
    },
  };
  return [...all, ...[pod, service].map((value): LabObject => ({ by: 'lab', object: madeObject(value) }))];
}

function isDns({ ref, value }: KubeObject): boolean {
  if (ref.namespace !== HOME) return false;
  if (ref.kind === 'Service') return ref.name === SERVICE;
  const spec = asObject(value.spec);
  const labels =
    ref.kind === 'Pod' ? asObject(value.metadata).labels : asObject(asObject(spec.template).metadata).labels;
  return labelsOf(labels).get(LABEL) === SERVICE;
}

/** Who answers questions for names: the pods behind the DNS Service, else those with its label. */
export function dnsOf(services: readonly LabService[], pods: readonly LabPod[]): LabDns | null {
  const service = services.find(({ namespace, name }) => namespace === HOME && name === SERVICE);
  const behind = new Set(service?.ports.flatMap(({ endpoints }) => endpoints.map(({ pod }) => pod)) ?? []);
  const labelled = pods.filter(({ namespace, labels }) => namespace === HOME && labels[LABEL] === SERVICE);
  const answering = behind.size > 0 ? pods.filter(({ id }) => behind.has(id)) : labelled;
  if (answering.length === 0) return null;
  const own = service?.clusterIPs ?? [];
  const addresses = own.length > 0 ? own : answering.flatMap((pod) => pod.addresses);
  return { addresses, pods: answering.map(({ id }) => id), domain: 'cluster.local' };
}
