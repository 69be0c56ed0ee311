import { describe, expect, test } from 'vitest';
import { formatIp } from '../../src/base/ip.ts';
import { buildCluster } from '../../src/cluster/build.ts';
import { type Workload, workloadId } from '../../src/model/cluster.ts';
import { objectsIn } from './read-manifests.ts';

function build(text: string): readonly Workload[] {
  return buildCluster(objectsIn(text)).cluster.workloads;
}

function one(text: string): Workload {
  const workloads = build(text);
  expect(workloads).toHaveLength(1);
  return workloads[0] as Workload;
}

const DEPLOYMENT = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 3
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
`;
const REPLICASET = `
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: web-5d4f
  namespace: shop
  ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: u1, controller: true}]
spec:
  replicas: 3
  template:
    metadata: {labels: {app: web, pod-template-hash: 5d4f}}
`;
const pod = (name: string, owner: string, more = ''): string => `
apiVersion: v1
kind: Pod
metadata:
  name: ${name}
  namespace: shop
  labels: {app: web, pod-template-hash: 5d4f}
  ownerReferences: [${owner}]
spec: {containers: [{name: c}]}
${more}
`;
const OF_REPLICASET = '{apiVersion: apps/v1, kind: ReplicaSet, name: web-5d4f, uid: u2, controller: true}';

describe('owners', () => {
  test('a Deployment without pods is its template, once, however many ReplicaSets it has had', () => {
    const web = one([DEPLOYMENT, REPLICASET].join('---'));
    expect(workloadId(web)).toBe('shop/web[Deployment]');
    expect(web.replicas).toBe(3);
    expect(web.pods).toHaveLength(1);
    expect(web.pods[0]?.template).toBe(true);
    expect([...(web.pods[0]?.labels ?? [])]).toEqual([['app', 'web']]);
    expect(web.pods[0]?.ports).toEqual([{ name: null, port: 8080, protocol: 'TCP', hostPort: null }]);
    expect(web.pods[0]?.origin.field).toBe('spec.template');
  });

  test('real pods count instead of the template, through ReplicaSet and Deployment', () => {
    const web = one(
      [pod('web-5d4f-b', OF_REPLICASET), DEPLOYMENT, REPLICASET, pod('web-5d4f-a', OF_REPLICASET)].join('---'),
    );
    expect(workloadId(web)).toBe('shop/web[Deployment]');
    expect(web.replicas).toBe(3);
    expect(web.pods.map(({ name, template }) => [name, template])).toEqual([
      ['web-5d4f-a', false],
      ['web-5d4f-b', false],
    ]);
    expect(web.origin.object.kind).toBe('Deployment');
  });

  test('an owner that is not in the input is known by name alone', () => {
    const web = one(pod('web-5d4f-a', OF_REPLICASET));
    expect(workloadId(web)).toBe('shop/web-5d4f[ReplicaSet]');
    expect(web.replicas).toBeNull();
    expect(web.origin).toMatchObject({
      object: { kind: 'Pod', name: 'web-5d4f-a' },
      field: 'metadata.ownerReferences[0]',
    });
  });

  test('the Deployment above a ReplicaSet of the input needs not be in the input', () => {
    expect(workloadId(one([REPLICASET, pod('web-5d4f-a', OF_REPLICASET)].join('---')))).toBe('shop/web[Deployment]');
  });

  test('of the ReplicaSets of an absent Deployment those that still want pods make them', () => {
    const old = REPLICASET.replaceAll('5d4f', '1a1b').replace('replicas: 3', 'replicas: 0');
    const web = one([old, REPLICASET].join('---'));
    expect(workloadId(web)).toBe('shop/web[Deployment]');
    expect(web.pods.map((made) => made.labels.get('pod-template-hash'))).toEqual(['5d4f']);
  });

  test('an owner without `controller: true` owns nothing', () => {
    expect(workloadId(one(pod('lonely', '{apiVersion: apps/v1, kind: ReplicaSet, name: web-5d4f, uid: u}')))).toBe(
      'shop/lonely[Pod]',
    );
  });

  test('a static pod is a Pod, not its Node', () => {
    const owner = '{apiVersion: v1, kind: Node, name: n1, uid: u, controller: true}';
    expect(workloadId(one(pod('etcd-n1', owner)))).toBe('shop/etcd-n1[Pod]');
  });

  test('a custom controller of pods is the workload', () => {
    const owner = '{apiVersion: argoproj.io/v1alpha1, kind: Workflow, name: nightly, uid: u, controller: true}';
    const nightly = one([pod('nightly-2', owner), pod('nightly-1', owner)].join('---'));
    expect(workloadId(nightly)).toBe('shop/nightly[Workflow]');
    expect(nightly.pods.map(({ name }) => name)).toEqual(['nightly-1', 'nightly-2']);
  });

  test('Deployments of one custom resource stay apart: their pods are not alike', () => {
    const owned = (name: string): string =>
      DEPLOYMENT.replace(
        '{name: web, namespace: shop}',
        `{name: ${name}, namespace: shop, ownerReferences: [{apiVersion: argoproj.io/v1beta1, kind: ArgoCD, name: argo, uid: u, controller: true}]}`,
      );
    expect(build([owned('server'), owned('repo')].join('---')).map(workloadId)).toEqual([
      'shop/repo[Deployment]',
      'shop/server[Deployment]',
    ]);
  });

  test('the chain from a pod ends below a custom resource, too', () => {
    const managed = DEPLOYMENT.replace(
      '{name: web, namespace: shop}',
      '{name: web, namespace: shop, ownerReferences: [{apiVersion: example.org/v1, kind: Shop, name: s, uid: u, controller: true}]}',
    );
    expect(build([managed, REPLICASET, pod('web-5d4f-a', OF_REPLICASET)].join('---')).map(workloadId)).toEqual([
      'shop/web[Deployment]',
    ]);
  });

  test('a loop of owners ends', () => {
    const looped = REPLICASET.replace('kind: Deployment, name: web', 'kind: ReplicaSet, name: web-5d4f');
    expect(build([looped, pod('a', OF_REPLICASET)].join('---')).map(workloadId)).toEqual(['shop/web-5d4f[ReplicaSet]']);
  });

  test('a Job of a CronJob is the CronJob', () => {
    const text = `
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly, namespace: shop}
spec: {jobTemplate: {spec: {template: {metadata: {labels: {app: nightly}}, spec: {containers: []}}}}}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: nightly-1
  namespace: shop
  ownerReferences: [{apiVersion: batch/v1, kind: CronJob, name: nightly, uid: u, controller: true}]
spec: {template: {metadata: {labels: {app: nightly}}, spec: {containers: []}}}
`;
    const nightly = one(text);
    expect(workloadId(nightly)).toBe('shop/nightly[CronJob]');
    expect(nightly.pods.map(({ origin }) => origin.field)).toEqual(['spec.jobTemplate.spec.template']);
  });
});

describe('templates', () => {
  test.each([
    ['apps/v1', 'StatefulSet'],
    ['apps/v1', 'DaemonSet'],
    ['v1', 'ReplicationController'],
    ['apps.openshift.io/v1', 'DeploymentConfig'],
    ['argoproj.io/v1alpha1', 'Rollout'],
  ])('%s %s', (apiVersion, kind) => {
    const workload = one(
      DEPLOYMENT.replace('apps/v1', apiVersion)
        .replace('kind: Deployment', `kind: ${kind}`)
        .replace('replicas: 3', 'replicas: 0'),
    );
    expect(workloadId(workload)).toBe(`shop/web[${kind}]`);
    expect(workload.replicas).toBe(0);
    expect(workload.pods[0]?.labels.get('app')).toBe('web');
  });

  test('pods of a Job carry its name, as an API server adds it', () => {
    const job = one(DEPLOYMENT.replace('apps/v1', 'batch/v1').replace('kind: Deployment', 'kind: Job'));
    expect(Object.fromEntries(job.pods[0]?.labels ?? [])).toEqual({
      app: 'web',
      'job-name': 'web',
      'batch.kubernetes.io/job-name': 'web',
    });
  });

  test('a Job that is done makes no pods', () => {
    const job = DEPLOYMENT.replace('apps/v1', 'batch/v1').replace('kind: Deployment', 'kind: Job');
    expect(build(`${job}status: {conditions: [{type: Complete, status: "True"}]}`)).toEqual([]);
    expect(build(`${job}status: {conditions: [{type: Complete, status: "False"}]}`)).toHaveLength(1);
  });

  test('a Rollout without a template is said and left out', () => {
    const text =
      'apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: web, namespace: shop}\nspec: {workloadRef: {kind: Deployment, name: web}}';
    const { cluster, diagnostics } = buildCluster(objectsIn(text));
    expect(cluster.workloads).toEqual([]);
    expect(diagnostics.map(({ code, severity }) => [code, severity])).toEqual([['RP304', 'warning']]);
  });

  test('a Deployment without any template is a peer as it stands', () => {
    const bare = one('apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}');
    expect(workloadId(bare)).toBe('default/web[Deployment]');
    expect(bare.pods[0]?.labels.size).toBe(0);
  });
});

describe('pods', () => {
  const single = (spec: string, status = '{}'): Workload =>
    one(`apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop}\nspec: ${spec}\nstatus: ${status}`);

  test.each(['Succeeded', 'Failed'])('a pod that has %s is none', (phase) => {
    expect(build(`apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {}\nstatus: {phase: ${phase}}`)).toEqual([]);
  });

  test('a Deployment all of whose pods have failed would make others', () => {
    const web = one([DEPLOYMENT, REPLICASET, pod('web-5d4f-a', OF_REPLICASET, 'status: {phase: Failed}')].join('---'));
    expect(web.pods.map(({ template }) => template)).toEqual([true]);
  });

  test('ports: of containers, then of native sidecars; those of other init containers do not count', () => {
    const spec = `{initContainers: [
      {name: setup, ports: [{containerPort: 1}]},
      {name: proxy, restartPolicy: Always, ports: [{name: admin, containerPort: 15000}]}],
      containers: [{name: a, ports: [{name: dns, containerPort: 53, protocol: UDP, hostPort: 5353}]}, {name: b, ports: [{containerPort: 9}]}]}`;
    expect(single(spec).pods[0]?.ports).toEqual([
      { name: 'dns', port: 53, protocol: 'UDP', hostPort: 5353 },
      { name: null, port: 9, protocol: 'TCP', hostPort: null },
      { name: 'admin', port: 15000, protocol: 'TCP', hostPort: null },
    ]);
  });

  const addresses = (workload: Workload): string[] => (workload.pods[0]?.addresses ?? []).map(formatIp);

  test('addresses are podIPs, else podIP', () => {
    expect(addresses(single('{}', '{podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: "fd00::1"}]}'))).toEqual([
      '10.0.0.1',
      'fd00::1',
    ]);
    expect(addresses(single('{}', '{podIP: 10.0.0.1}'))).toEqual(['10.0.0.1']);
    expect(addresses(single('{}', '{hostIP: 10.0.0.1}'))).toEqual([]);
  });

  test('a host-network pod has the addresses of its host', () => {
    expect(addresses(single('{hostNetwork: true}', '{hostIP: 192.168.0.1, hostIPs: [{ip: 192.168.0.1}]}'))).toEqual([
      '192.168.0.1',
    ]);
    const text = `
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {zone: a}}
status: {addresses: [{type: InternalIP, address: 192.168.0.7}, {type: Hostname, address: n1}, {type: ExternalIP, address: 203.0.113.7}]}
---
apiVersion: v1
kind: Pod
metadata: {name: p}
spec: {hostNetwork: true, nodeName: n1}
`;
    const hosted = one(text);
    expect(addresses(hosted)).toEqual(['192.168.0.7', '203.0.113.7']);
    expect(hosted.pods[0]).toMatchObject({ hostNetwork: true, node: 'n1' });
  });

  test('equal label sets and port lists are one object, whatever the order of the labels', () => {
    const text = ['{a: "1", b: "2"}', '{b: "2", a: "1"}']
      .map(
        (labels, i) =>
          `apiVersion: v1\nkind: Pod\nmetadata: {name: p${i}, labels: ${labels}}\nspec: {containers: [{ports: [{containerPort: 80}]}]}`,
      )
      .join('\n---\n');
    const [first, second] = build(text).map((workload) => workload.pods[0]);
    expect(first?.labels).toBe(second?.labels);
    expect(first?.ports).toBe(second?.ports);
  });

  test('port lists that only a separator in a name would tell apart are two', () => {
    const text = [
      '[{name: "a", containerPort: 1}, {name: "b", containerPort: 2}]',
      '[{name: "a 2 TCP null b", containerPort: 1}]',
    ]
      .map((ports, i) => `apiVersion: v1\nkind: Pod\nmetadata: {name: p${i}}\nspec: {containers: [{ports: ${ports}}]}`)
      .join('\n---\n');
    expect(build(text).map((workload) => workload.pods[0]?.ports.length)).toEqual([2, 1]);
  });
});

describe('what cannot be decoded', () => {
  test.each([
    [
      '{containers: [{ports: [{containerPort: []}]}]}',
      'spec.containers[0].ports[0].containerPort',
      'must be a whole number, is a list',
    ],
    [
      '{containers: [{ports: [{containerPort: "80"}]}]}',
      'spec.containers[0].ports[0].containerPort',
      'must be a whole number, is a string',
    ],
    [
      '{containers: [{ports: [{containerPort: 80.5}]}]}',
      'spec.containers[0].ports[0].containerPort',
      'must be a whole number, is `80.5`',
    ],
    ['{containers: {}}', 'spec.containers', 'must be a list, is an object'],
    ['{containers: [1]}', 'spec.containers[0]', 'must be an object, is `1`'],
    ['{hostNetwork: "yes"}', 'spec.hostNetwork', 'must be true or false, is a string'],
    ['7', 'spec', 'must be an object, is `7`'],
  ])('a pod with spec %s is refused', (spec, field, message) => {
    const text = `apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\nspec: ${spec}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: good}`;
    const { cluster, diagnostics } = buildCluster(objectsIn(text));
    expect(cluster.workloads.map(workloadId)).toEqual(['default/good[Pod]']);
    expect(diagnostics).toHaveLength(1);
    expect(diagnostics[0]).toMatchObject({
      code: 'RP300',
      severity: 'error',
      refused: true,
      message: `cannot be decoded: ${message}`,
      origin: { object: { kind: 'Pod', name: 'bad' }, field },
    });
  });

  test('so is a Deployment with such a template, and a label that is no string', () => {
    for (const template of ['{spec: {containers: 1}}', '{metadata: {labels: {version: 1}}}']) {
      const text = `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: bad}\nspec: {template: ${template}}`;
      const { cluster, diagnostics } = buildCluster(objectsIn(text));
      expect(cluster.workloads).toEqual([]);
      expect(diagnostics.map(({ refused }) => refused)).toEqual([true]);
    }
  });

  test('a port that no pod can have is left out, the pod stays', () => {
    const text =
      'apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{ports: [{containerPort: 0}, {containerPort: 70000}, {containerPort: 80, protocol: HTTP}, {containerPort: 81}, {}]}]}';
    const { cluster, diagnostics } = buildCluster(objectsIn(text));
    expect(cluster.workloads[0]?.pods[0]?.ports.map(({ port }) => port)).toEqual([81]);
    expect(diagnostics.map(({ code, origin }) => [code, origin?.field])).toEqual([
      ['RP302', 'spec.containers[0].ports[0].containerPort'],
      ['RP302', 'spec.containers[0].ports[1].containerPort'],
      ['RP302', 'spec.containers[0].ports[2].protocol'],
      ['RP302', 'spec.containers[0].ports[4].containerPort'],
    ]);
  });

  test('null is absent, also in lists', () => {
    const text =
      'apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: null, ownerReferences: null}\nspec: {containers: [null], initContainers: null}\nstatus: {podIPs: null, podIP: null}';
    const { cluster, diagnostics } = buildCluster(objectsIn(text));
    expect(cluster.workloads).toHaveLength(1);
    expect(diagnostics).toEqual([]);
  });

  test('an address that is none is said and left out', () => {
    const text = 'apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nstatus: {podIP: 10.0.0.256}';
    const { cluster, diagnostics } = buildCluster(objectsIn(text));
    expect(cluster.workloads[0]?.pods[0]?.addresses).toEqual([]);
    expect(diagnostics.map(({ code, severity }) => [code, severity])).toEqual([['RP303', 'warning']]);
  });

  test('label keys that JavaScript objects inherit are labels like others', () => {
    const value = JSON.parse('{"metadata":{"name":"p","labels":{"__proto__":"a","constructor":"b"}}}') as never;
    const ref = { apiVersion: 'v1', kind: 'Pod', namespace: 'default', name: 'p', source: null };
    const labels = buildCluster([{ ref, value }]).cluster.workloads[0]?.pods[0]?.labels;
    expect([...(labels ?? [])].sort()).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ]);
  });
});

describe('pods of the prometheus-operator', () => {
  const resource = (kind: string, spec: string): string =>
    `apiVersion: monitoring.coreos.com/v1\nkind: ${kind}\nmetadata: {name: k8s, namespace: monitoring}\nspec: ${spec}`;

  test('Prometheus: reserved labels win over those of podMetadata', () => {
    const made = one(
      resource(
        'Prometheus',
        '{replicas: 2, podMetadata: {labels: {team: obs, app.kubernetes.io/name: mine}}, thanos: {}}',
      ),
    );
    expect(workloadId(made)).toBe('monitoring/k8s[Prometheus]');
    expect(made.replicas).toBe(2);
    expect(Object.fromEntries(made.pods[0]?.labels ?? [])).toEqual({
      team: 'obs',
      'app.kubernetes.io/name': 'prometheus',
      'app.kubernetes.io/instance': 'k8s',
      'app.kubernetes.io/managed-by': 'prometheus-operator',
      'operator.prometheus.io/name': 'k8s',
      'operator.prometheus.io/shard': '0',
      prometheus: 'k8s',
    });
    expect(made.pods[0]?.ports.map(({ name, port }) => `${name}:${port}`)).toEqual([
      'web:9090',
      'reloader-web:8080',
      'http:10902',
      'grpc:10901',
    ]);
  });

  test('Alertmanager and ThanosRuler', () => {
    const ports = (workload: Workload): string[] =>
      (workload.pods[0]?.ports ?? []).map(({ name, port, protocol }) => `${name}:${port}/${protocol}`);
    const manager = one(resource('Alertmanager', '{portName: http}'));
    expect(ports(manager)).toEqual([
      'http:9093/TCP',
      'mesh-tcp:9094/TCP',
      'mesh-udp:9094/UDP',
      'reloader-web:8080/TCP',
    ]);
    expect(manager.pods[0]?.labels.get('alertmanager')).toBe('k8s');
    const ruler = one(resource('ThanosRuler', '{listenLocal: true}'));
    expect(ports(ruler)).toEqual(['grpc:10901/TCP']);
    expect(ruler.pods[0]?.labels.get('app.kubernetes.io/name')).toBe('thanos-ruler');
  });

  test('one pod for each shard, within reason', () => {
    const shards = (count: number): unknown[] =>
      one(resource('Prometheus', `{shards: ${count}}`)).pods.map((made) =>
        made.labels.get('operator.prometheus.io/shard'),
      );
    expect(shards(2)).toEqual(['0', '1']);
    expect(shards(2_000_000_000)).toHaveLength(64);
    expect(shards(-1)).toEqual(['0']);
  });

  test('its StatefulSet in the input tells the pods better than what can be deduced', () => {
    const set = `
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: prometheus-k8s
  namespace: monitoring
  ownerReferences: [{apiVersion: monitoring.coreos.com/v1, kind: Prometheus, name: k8s, uid: u, controller: true}]
spec: {template: {metadata: {labels: {real: "yes"}}}}`;
    const made = one([resource('Prometheus', '{}'), set].join('\n---'));
    expect(workloadId(made)).toBe('monitoring/k8s[Prometheus]');
    expect(made.pods.map(({ labels }) => Object.fromEntries(labels))).toEqual([{ real: 'yes' }]);
  });
});
