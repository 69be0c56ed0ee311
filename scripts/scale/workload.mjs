// What the simulated cluster consists of: pods of the size that charts give them, spread over workloads, namespaces and nodes.
// @ts-check
import { setTimeout as sleep } from 'node:timers/promises';
import { count, kube, nodeName, pidOf, range, say, seconds, values } from './cluster.mjs';

/** @typedef {import('../../src/io/kube-client.ts').KubeClient} KubeClient */
/** @typedef {import('../../src/manifest/object.ts').JsonObject} JsonObject */

/** As many at a time as a controller in a hurry. @template T @param {readonly T[]} items @param {(item: T) => Promise<void>} work */
export async function inParallel(items, work) {
  let next = 0;
  const worker = async () => {
    while (next < items.length) await work(/** @type {T} */ (items[next++]));
  };
  await Promise.all(Array.from({ length: 24 }, worker));
}

/** @param {KubeClient} client @param {string} path @param {JsonObject} body */
export async function create(client, path, body) {
  const { status } = await client.send('POST', path, body);
  if (status !== 201 && status !== 409) throw new Error(`POST ${path}: ${status}`);
}

export const spaceOf = (/** @type {number} */ workload) => `space-${workload % count.namespaces}`;

/** As few fields as a pod can do with. @param {string} name @param {number} workload @param {number} node @returns {JsonObject} */
function smallPodOf(name, workload, node) {
  const ports = [{ name: 'http', containerPort: 8080, protocol: 'TCP' }];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { 'app.kubernetes.io/name': `app-${workload}` } },
    spec: {
      nodeName: nodeName(node),
      automountServiceAccountToken: false,
      containers: [{ name: 'server', image: 'simulated', ports }],
    },
  };
}

/** A pod as charts make them: about the size that pods have in production. @param {string} name @param {number} workload @param {number} node @returns {JsonObject} */
export function podOf(name, workload, node) {
  const app = `app-${workload}`;
  const version = `1.${workload % 9}.3`;
  /** @param {string} container @param {number} port @returns {JsonObject} */
  const container = (container, port) => ({
    name: container,
    image: `registry.example.com/platform/${container}-${app}@sha256:${'3f'.repeat(32)}`,
    imagePullPolicy: 'IfNotPresent',
    args: ['--config=/etc/config/server.yaml', `--listen=:${port}`, '--log-format=json'],
    ports: [{ name: container === 'server' ? 'http' : 'metrics', containerPort: port, protocol: 'TCP' }],
    env: [
      ...range(10).map((i) => ({ name: `SETTING_NUMBER_${i}`, value: `value-${i}-of-${app}` })),
      { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: `${app}-database`, key: 'password' } } },
    ],
    resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } },
    readinessProbe: { httpGet: { path: '/readyz', port }, periodSeconds: 10 },
    livenessProbe: { httpGet: { path: '/livez', port }, periodSeconds: 10, failureThreshold: 6 },
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] }, readOnlyRootFilesystem: true },
    volumeMounts: [
      { name: 'config', mountPath: '/etc/config', readOnly: true },
      { name: 'scratch', mountPath: '/tmp' },
    ],
  });
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      labels: {
        'app.kubernetes.io/name': app,
        'app.kubernetes.io/instance': `${app}-main`,
        'app.kubernetes.io/part-of': `team-${workload % 40}`,
        'app.kubernetes.io/version': version,
        'app.kubernetes.io/managed-by': 'Helm',
        'pod-template-hash': `6d4cf56${workload}`,
      },
      annotations: {
        'checksum/config': 'a1'.repeat(32),
        'prometheus.io/scrape': 'true',
        'prometheus.io/port': '9100',
        'kubectl.kubernetes.io/restartedAt': '2024-03-01T12:00:00Z',
      },
    },
    spec: {
      nodeName: nodeName(node),
      serviceAccountName: 'default',
      securityContext: { runAsNonRoot: true, runAsUser: 10001, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [container('server', 8080), container('sidecar', 9100)],
      volumes: [
        { name: 'config', configMap: { name: `${app}-config` } },
        { name: 'scratch', emptyDir: {} },
      ],
    },
  };
}

/** @param {number} i @returns {JsonObject} */
function policyOf(i) {
  const peer = `app-${(i + count.namespaces) % count.workloads}`;
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: `policy-${i}`, labels: { 'app.kubernetes.io/managed-by': 'Helm' } },
    spec: {
      podSelector: { matchLabels: { 'app.kubernetes.io/name': `app-${i % count.workloads}` } },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        {
          from: [
            { podSelector: { matchLabels: { 'app.kubernetes.io/name': peer } } },
            { namespaceSelector: { matchLabels: { team: `team-${i % 40}` } } },
          ],
          ports: [{ port: 'http', protocol: 'TCP' }],
        },
      ],
      egress: [
        { to: [{ namespaceSelector: {} }], ports: [{ port: 53, protocol: 'UDP' }] },
        { to: [{ ipBlock: { cidr: '192.0.2.0/24', except: [`192.0.2.${i % 250}/32`] } }] },
      ],
    },
  };
}

/** What a kubelet says of a pod that runs. @param {number} i @returns {JsonObject} */
function statusOf(i) {
  const at = '2024-03-01T12:00:00Z';
  const ip = `10.${200 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`;
  const conditions = ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'];
  return {
    phase: 'Running',
    podIP: ip,
    podIPs: [{ ip }],
    hostIP: `10.199.${(i % count.nodes) >> 8}.${(i % count.nodes) & 255}`,
    startTime: at,
    conditions: conditions.map((type) => ({ type, status: 'True', lastProbeTime: null, lastTransitionTime: at })),
    containerStatuses: ['server', 'sidecar'].map((name) => ({
      name,
      ready: true,
      started: true,
      restartCount: 0,
      image: `registry.example.com/platform/${name}`,
      imageID: `registry.example.com/platform/${name}@sha256:${'3f'.repeat(32)}`,
      containerID: `containerd://${'7c'.repeat(32)}`,
      state: { running: { startedAt: at } },
    })),
  };
}

/** Makes pod `i`, and says what its kubelet would say; kwok says that itself. @param {KubeClient} client @param {number} i */
async function runPod(client, i) {
  const workload = i % count.workloads;
  const path = `/api/v1/namespaces/${spaceOf(workload)}/pods`;
  const pod = values.small ? smallPodOf : podOf;
  await create(client, path, pod(`pod-${i}`, workload, i % count.nodes));
  if (!values.kwok) await patch(client, `${path}/pod-${i}/status`, { status: statusOf(i) });
}

/** @param {KubeClient} client @param {string} path @param {JsonObject} body */
export async function patch(client, path, body) {
  const { status } = await client.send('PATCH', path, body, 'application/merge-patch+json');
  if (status !== 200) throw new Error(`PATCH ${path}: ${status}`);
}

/** @param {number} i @returns {JsonObject} */
function nodeOf(i) {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: nodeName(i),
      labels: {
        'kubernetes.io/hostname': nodeName(i),
        'kubernetes.io/os': 'linux',
        'topology.kubernetes.io/zone': `zone-${i % 3}`,
      },
    },
    spec: {},
    status: {
      addresses: [{ type: 'InternalIP', address: `10.199.${i >> 8}.${i & 255}` }],
      conditions: [
        { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' },
      ],
    },
  };
}

/** Simulated nodes and pods are objects alone, so that nothing moves but what is to be measured; with kwok it says what kubelets would say. @param {KubeClient} client */
export async function fill(client) {
  const begun = Date.now();
  await inParallel(range(count.namespaces), (i) =>
    create(client, '/api/v1/namespaces', {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: `space-${i}`, labels: { team: `team-${i % 40}` } },
    }),
  );
  for (;;) {
    const { body } = await client.get('/api/v1/serviceaccounts?fieldSelector=metadata.name%3Ddefault');
    if (itemsOf(body).length >= count.namespaces + 4) break;
    await sleep(1000);
  }
  if (values.kwok) kube('kwok', 'nodes', values.nodes);
  // It would take silent nodes for dead ones, and evict their pods.
  for (const name of ['kube-controller-manager', 'kube-scheduler']) process.kill(pidOf(name), 'SIGKILL');
  if (!values.kwok) await inParallel(range(count.nodes), (i) => create(client, '/api/v1/nodes', nodeOf(i)));
  await inParallel(range(count.policies), (i) =>
    create(client, `/apis/networking.k8s.io/v1/namespaces/${spaceOf(i)}/networkpolicies`, policyOf(i)),
  );
  await inParallel(range(count.pods), (i) => runPod(client, i));
  if (values.kwok) {
    say(`${count.pods} pods were made after ${seconds(begun)}`);
    await untilAllRun(client);
  }
  say(`${count.pods} pods run after ${seconds(begun)}`);
}

/** A sample first: the list of those that do not run yet is as long as that of all in the beginning. @param {KubeClient} client */
async function untilAllRun(client) {
  for (const i of range(100)) {
    const at = Math.floor((i * count.pods) / 100);
    const path = `/api/v1/namespaces/${spaceOf(at % count.workloads)}/pods/pod-${at}?resourceVersion=0`;
    for (;;) {
      const { body } = await client.get(path);
      if (/** @type {{ status?: { phase?: string } } | null} */ (body)?.status?.phase === 'Running') break;
      await sleep(1000);
    }
  }
  const pending = '/api/v1/pods?resourceVersion=0&fieldSelector=status.phase%3DPending';
  const metadata = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';
  while (itemsOf((await client.get(pending, metadata)).body).length > 0) await sleep(5000);
}

/** @param {unknown} body @returns {readonly JsonObject[]} */
function itemsOf(body) {
  const items = /** @type {{ items?: unknown } | null} */ (body)?.items;
  return Array.isArray(items) ? items : [];
}
