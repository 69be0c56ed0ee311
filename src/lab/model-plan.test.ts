import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { covers, parseCidr, parseIp } from '../base/ip.ts';
import { buildCluster } from '../cluster/build.ts';
import { inputOf } from '../input/input.ts';
import { asObject, items } from '../kinds/validation/json.ts';
import type { JsonObject } from '../manifest/object.ts';
import { readManifests } from '../manifest/read.ts';
import type { LabOptions, LabPlan } from './model.ts';
import { planLab, portablePlan } from './model-plan.ts';

const CHECKOUT = resolve(import.meta.dirname, '../..');
const SHARED = process.env.RAMPART_SHARED ?? resolve(CHECKOUT, '../shared');

function filesIn(path: string): readonly string[] {
  if (!statSync(path).isDirectory()) return /\.(ya?ml|json)$/.test(path) ? [path] : [];
  return readdirSync(path)
    .sort()
    .flatMap((name) => filesIn(join(path, name)));
}

const planOf = (text: string, options: LabOptions = {}): LabPlan =>
  planLab(readManifests([{ file: 'test.yaml', text }]).objects, { dns: false, ...options });

const inside = (block: string, address: string): boolean => {
  const cidr = parseCidr(block);
  const ip = parseIp(address);
  return cidr !== null && ip !== null && covers(cidr, ip);
};

const codes = (plan: LabPlan): readonly string[] => plan.diagnostics.map(({ code }) => code).sort();

const POD = (name: string, spec = '', status = ''): string => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}}}
spec: {containers: [{name: c, image: i}]${spec}}
${status === '' ? '' : `status: ${status}`}
---`;

const POLICY = (name: string, cidr: string, except = ''): string => `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: ${name}}
spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: "${cidr}"${except === '' ? '' : `, except: ["${except}"]`}}}]}]}
---`;

const WORKLOAD = (kind: string, name: string, spec: string, template = ''): string => `
apiVersion: ${kind === 'Job' || kind === 'CronJob' ? 'batch/v1' : 'apps/v1'}
kind: ${kind}
metadata: {name: ${name}}
spec: {${spec}selector: {matchLabels: {app: ${name}}}, template: {metadata: {labels: {app: ${name}}}, spec: {containers: [{name: c}]${template}}}}
---
`;

const EXAMPLES = [
  join(CHECKOUT, 'examples/shop'),
  ...['argo-cd', 'kube-prometheus', 'online-boutique', 'recipes', 'sock-shop'].map((name) =>
    join(SHARED, 'realworld', name),
  ),
].filter(existsSync);

describe('real manifests', () => {
  const read = (path: string) =>
    readManifests(filesIn(path).map((file) => ({ file, bytes: readFileSync(file) }))).objects;

  it.each(EXAMPLES)('have every pod once and no address twice: %s', (path) => {
    const objects = read(path);
    const plan = planLab(objects, { nodes: 3 });
    const ids = plan.pods.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(
      plan.objects
        .filter(({ object }) => object.ref.kind === 'Pod')
        .map(({ object }) => `${object.ref.namespace}/${object.ref.name}`)
        .sort(),
    ).toEqual([...ids].sort());
    const addresses = [
      ...plan.nodes.flatMap((node) => node.addresses),
      ...plan.pods.filter((pod) => !pod.hostNetwork).flatMap((pod) => pod.addresses),
      ...plan.services.flatMap((service) => [...service.clusterIPs, ...service.loadBalancerIPs]),
      ...plan.outside.map(({ address }) => address),
    ];
    expect(addresses.filter((address, i) => addresses.indexOf(address) !== i)).toEqual([]);
    const nodes = new Map(plan.nodes.map((node) => [node.name, node]));
    for (const pod of plan.pods) {
      const node = nodes.get(pod.node);
      expect(pod.addresses).toHaveLength(2);
      if (pod.hostNetwork) expect(pod.addresses).toEqual(node?.addresses);
      else
        for (const address of pod.addresses)
          expect(
            node?.podCidrs.some((block) => inside(block, address)),
            pod.id,
          ).toBe(true);
    }
    // Every workload of the manifests runs, under its own name.
    const wanted = buildCluster(objects).cluster.workloads.map(
      ({ namespace, kind, name }) => `${namespace}/${kind}/${name}`,
    );
    const found = new Set(plan.pods.map(({ namespace, workload }) => `${namespace}/${workload.kind}/${workload.name}`));
    expect(wanted.filter((name) => !found.has(name))).toEqual([]);
    // What the API server is to hold means the same: the same policies, read without complaint.
    const again = inputOf(plan.objects.map(({ object }) => object));
    expect(again.program.tiers.flatMap((tier) => tier.policies.map(({ id }) => id))).toEqual(
      inputOf(objects).program.tiers.flatMap((tier) => tier.policies.map(({ id }) => id)),
    );
    expect(again.diagnostics.filter(({ refused }) => refused === true)).toEqual([]);
    expect(
      again.cluster.workloads.flatMap(({ pods }) => pods).every((pod) => !pod.template && pod.addresses.length > 0),
    ).toBe(true);
    expect(JSON.stringify(planLab(read(path), { nodes: 3 }))).toBe(JSON.stringify(plan));
  });
});

describe('workloads', () => {
  it('become as many pods as they want, up to the limit, with names as real ones', () => {
    const plan = planOf(
      [
        WORKLOAD('Deployment', 'web', 'replicas: 5, '),
        WORKLOAD('Deployment', 'none', 'replicas: 0, '),
        WORKLOAD('StatefulSet', 'db', 'replicas: 2, serviceName: db, ordinals: {start: 4}, '),
        WORKLOAD('DaemonSet', 'agent', ''),
        WORKLOAD('Job', 'once', 'parallelism: 4, completions: 2, '),
        `apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: tick}\nspec: {schedule: "* * * * *", jobTemplate: {spec: {template: {metadata: {labels: {app: tick}}, spec: {containers: [{name: c}]}}}}}`,
      ].join(''),
      { nodes: 2, replicas: 3 },
    );
    const names = (workload: string): string[] =>
      plan.pods.filter((pod) => pod.workload.name === workload).map(({ name }) => name);
    expect(names('web')).toHaveLength(3);
    expect(names('web').every((name) => /^web-[a-z0-9]{10}-[012]$/.test(name))).toBe(true);
    expect(names('none')).toEqual([]);
    expect(names('db')).toEqual(['db-4', 'db-5']);
    expect(plan.pods.find(({ name }) => name === 'db-4')).toMatchObject({
      hostname: 'db-4',
      subdomain: 'db',
      labels: { app: 'db', 'apps.kubernetes.io/pod-index': '4', 'statefulset.kubernetes.io/pod-name': 'db-4' },
    });
    expect(
      plan.pods
        .filter((pod) => pod.workload.name === 'agent')
        .map(({ node }) => node)
        .sort(),
    ).toEqual(['node-1', 'node-2']);
    expect(names('once')).toEqual(['once-0', 'once-1']);
    expect(plan.pods.find(({ name }) => name === 'once-0')?.labels['job-name']).toBe('once');
    expect(names('tick')).toEqual(['tick-0-0']);
    expect(plan.pods.find(({ name }) => name === 'tick-0-0')?.workload).toEqual({ kind: 'CronJob', name: 'tick' });
    expect(codes(plan)).toEqual(['RP700']);
    expect(plan.diagnostics[0]?.message).toBe('the lab runs 3 of the 5 pods of `web`');
  });

  it('of which the pods are given run as these, not as the template says', () => {
    const owner = '[{apiVersion: apps/v1, kind: StatefulSet, name: db, uid: u, controller: true}]';
    const pod = `apiVersion: v1\nkind: Pod\nmetadata: {name: db-0, ownerReferences: ${owner}}\nspec: {nodeName: far, containers: [{name: c}]}\nstatus: {podIPs: [{ip: 10.9.8.7}]}\n---`;
    const plan = planOf(`${WORKLOAD('StatefulSet', 'db', 'replicas: 2, ')}${pod}`);
    expect(plan.pods.map(({ name, node, addresses, workload }) => ({ name, node, addresses, workload }))).toEqual([
      { name: 'db-0', node: 'far', addresses: ['10.9.8.7'], workload: { kind: 'StatefulSet', name: 'db' } },
    ]);
    expect(plan.nodes.map(({ name }) => name)).toEqual(['far', 'node-1']);
  });

  it('know their controllers by name, so that no others are made for them', () => {
    const owned = (kind: string, name: string, uid: string): string =>
      `ownerReferences: [{apiVersion: apps/v1, kind: ${kind}, name: ${name}, uid: ${uid}, controller: true}]`;
    const plan = planOf(
      [
        WORKLOAD('Deployment', 'web', 'replicas: 1, '),
        'apiVersion: apps/v1',
        'kind: ReplicaSet',
        `metadata: {name: web-1, uid: own, ${owned('Deployment', 'web', 'stripped')}}`,
        'spec: {replicas: 1, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c}]}}}',
        '---',
        'apiVersion: v1',
        'kind: Pod',
        `metadata: {name: web-1-x, labels: {app: web}, ${owned('ReplicaSet', 'web-1', 'of-long-ago')}}`,
        'spec: {containers: [{name: c}]}',
        '---',
        'apiVersion: v1',
        'kind: Pod',
        `metadata: {name: orphan, ${owned('ReplicaSet', 'gone', 'kept')}}`,
        'spec: {containers: [{name: c}]}',
        '---',
      ].join('\n'),
    );
    const metadata = (kind: string, name: string): JsonObject => {
      const found = plan.objects.find(({ object: { ref } }) => ref.kind === kind && ref.name === name);
      return asObject(found?.object.value.metadata);
    };
    const ownerOf = (kind: string, name: string): unknown =>
      asObject(items(metadata(kind, name).ownerReferences)[0]).uid;
    expect(ownerOf('Pod', 'web-1-x')).toBe('own');
    expect(ownerOf('ReplicaSet', 'web-1')).toBe(metadata('Deployment', 'web').uid);
    expect(ownerOf('Pod', 'orphan')).toBe('kept');
    expect(plan.pods.map(({ name }) => name).sort()).toEqual(['orphan', 'web-1-x']);
  });

  it('that have finished, or that an API server would refuse, do not run', () => {
    const plan = planOf(`${POD('done', '', '{phase: Succeeded}')}${POD('odd', ', hostNetwork: "yes"')}${POD('fine')}`);
    expect(plan.pods.map(({ name }) => name)).toEqual(['fine']);
    expect(
      plan.objects
        .filter(({ object }) => object.ref.kind === 'Pod')
        .map(({ object }) => object.ref.name)
        .sort(),
    ).toEqual(['done', 'fine']);
  });
});

describe('places', () => {
  it('are as the manifests say: nodes, their addresses and ranges', () => {
    const node = (name: string, address: string, range: string): string =>
      `apiVersion: v1\nkind: Node\nmetadata: {name: ${name}, labels: {zone: ${name}}}\nspec: {podCIDR: ${range}}\nstatus: {addresses: [{type: InternalIP, address: ${address}}]}\n---\n`;
    const plan = planOf(
      `${node('b', '192.168.7.2', '10.50.2.0/24')}${node('a', '192.168.7.1', '10.50.1.0/24')}${POD('here', ', nodeSelector: {zone: b}')}${POD('host', ', hostNetwork: true, nodeName: a')}${POD('lost', ', nodeSelector: {zone: c}')}`,
      { families: [4] },
    );
    expect(plan.nodes).toEqual([
      { name: 'a', addresses: ['192.168.7.1'], podCidrs: ['10.50.1.0/24'] },
      { name: 'b', addresses: ['192.168.7.2'], podCidrs: ['10.50.2.0/24'] },
    ]);
    expect(plan.pods.map(({ name, node: on, addresses }) => [name, on, addresses])).toEqual([
      ['here', 'b', ['10.50.2.2']],
      ['host', 'a', ['192.168.7.1']],
    ]);
    expect(codes(plan)).toEqual(['RP701']);
  });

  it('of made nodes get the labels that a selector asks for', () => {
    const plan = planOf(
      `${POD('a', ', nodeSelector: {disk: ssd}')}${POD('b', ', nodeSelector: {disk: hdd}')}${POD('c', ', nodeSelector: {disk: ssd}')}`,
    );
    const nodeOf = (name: string) => plan.pods.find((pod) => pod.name === name)?.node;
    expect(nodeOf('a')).toBe(nodeOf('c'));
    expect(nodeOf('b')).not.toBe(nodeOf('a'));
    const labels = plan.objects
      .filter(({ object }) => object.ref.kind === 'Node')
      .map(({ object }) => (object.value.metadata as { labels: Record<string, string> }).labels.disk);
    expect(labels.sort()).toEqual(['hdd', 'ssd']);
    expect(codes(plan)).toEqual(['RP702', 'RP702']);
  });

  it('keep host ports apart', () => {
    const on = (name: string): string =>
      `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}}\nspec: {containers: [{name: c, ports: [{containerPort: 80, hostPort: 8080}]}]}\n---\n`;
    const plan = planOf(`${on('a')}${on('b')}${on('c')}`);
    expect(plan.pods.map(({ name, node }) => [name, node])).toEqual([
      ['a', 'node-1'],
      ['b', 'node-2'],
    ]);
    expect(plan.pods[0]?.hostPorts).toEqual([{ protocol: 'TCP', hostPort: 8080, port: 80 }]);
    expect(codes(plan)).toEqual(['RP701']);
  });

  it('give no address twice, and none that cannot be used', () => {
    const plan = planOf(
      `${POD('a', '', '{podIP: 10.1.1.1}')}${POD('b', '', '{podIP: 10.1.1.1}')}${POD('c', '', '{podIP: 127.0.0.1}')}${POD('d', '', '{podIPs: [{ip: 10.244.0.2}, {ip: "fd00::2"}]}')}`,
    );
    expect(plan.pods.map(({ name, addresses }) => [name, addresses.length])).toEqual([
      ['a', 1],
      ['b', 2],
      ['c', 2],
      ['d', 2],
    ]);
    expect(plan.pods[0]?.addresses).toEqual(['10.1.1.1']);
    expect(plan.pods[3]?.addresses).toEqual(['10.244.0.2', 'fd00::2']);
    // The lab's range is not the one in which a pod has an address of its own.
    expect(plan.ranges.pods[0]).not.toBe('10.244.0.0/16');
    expect(codes(plan)).toEqual(['RP703', 'RP703']);
  });
});

describe('the outside', () => {
  it('has an address in each block, one in what the block leaves out, and two that no block names', () => {
    const plan = planOf(
      `${POLICY('a', '198.51.100.0/24', '198.51.100.128/25')}${POLICY('b', '203.0.113.7/32')}${POLICY('c', '2001:db8:1::/48')}`,
    );
    expect(plan.outside.filter(({ why }) => why !== 'unnamed')).toEqual([
      { address: '198.51.100.1', why: 'block', block: '198.51.100.0/24' },
      { address: '198.51.100.129', why: 'except', block: '198.51.100.128/25' },
      { address: '203.0.113.7', why: 'block', block: '203.0.113.7/32' },
      { address: '2001:db8:1::1', why: 'block', block: '2001:db8:1::/48' },
    ]);
    const unnamed = plan.outside.filter(({ why }) => why === 'unnamed').map(({ address }) => address);
    expect(unnamed).toHaveLength(4);
    for (const address of unnamed) {
      for (const block of ['198.51.100.0/24', '203.0.113.7/32', '2001:db8:1::/48'])
        expect(inside(block, address)).toBe(false);
    }
  });

  it('has the addresses that are asked for, and those behind Services without selectors', () => {
    const plan = planOf(
      `apiVersion: v1
kind: Service
metadata: {name: legacy}
spec: {ports: [{port: 5432}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: legacy-1, labels: {kubernetes.io/service-name: legacy}}
addressType: IPv4
endpoints: [{addresses: [192.0.2.33]}]
ports: [{port: 5432}]
`,
      { addresses: ['8.8.8.8', '::ffff:9.9.9.9', '2620:fe::fe'], families: [4] },
    );
    expect(plan.outside.filter(({ why }) => why === 'given').map(({ address }) => address)).toEqual([
      '8.8.8.8',
      '9.9.9.9',
      '192.0.2.33',
    ]);
    expect(plan.services[0]?.ports[0]?.endpoints).toEqual([
      { address: '192.0.2.33', port: 5432, node: null, pod: null },
    ]);
    expect(plan.objects.filter(({ object }) => object.ref.kind === 'EndpointSlice').map(({ by }) => by)).toEqual([
      'manifest',
    ]);
  });

  it('and the cluster are apart: ranges that blocks touch are not taken', () => {
    const plan = planOf(
      `${POD('p')}${POLICY('a', '10.0.0.0/8')}${POLICY('b', '172.16.0.0/12')}${POLICY('c', '192.168.0.0/16')}${POLICY('d', 'fd00::/8')}`,
      { addresses: ['100.127.0.1'] },
    );
    for (const range of Object.values(plan.ranges).flat() as string[]) {
      const first = range.slice(0, range.indexOf('/'));
      if (first.includes(':')) continue;
      for (const block of ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.127.0.1/32'])
        expect(inside(block, first), range).toBe(false);
    }
    expect(inside(plan.ranges.pods[0] ?? '', plan.pods[0]?.addresses[0] ?? '')).toBe(true);
    // All private IPv6 addresses are in a block, so it is said that the lab's are, too.
    expect([...new Set(codes(plan))]).toEqual(['RP705']);
  });

  it('of a block that means the whole internet: pods stay in what it leaves out', () => {
    const plan = planOf(`${POD('p')}${POLICY('a', '0.0.0.0/0', '10.0.0.0/8')}`, { families: [4] });
    for (const range of Object.values(plan.ranges).flat() as string[])
      expect(inside('10.0.0.0/8', range.slice(0, range.indexOf('/'))), range).toBe(true);
    const except = plan.outside.find(({ why }) => why === 'except')?.address ?? '';
    expect(inside('10.0.0.0/8', except)).toBe(true);
    for (const range of Object.values(plan.ranges).flat() as string[]) expect(inside(range, except), range).toBe(false);
    expect(inside('10.0.0.0/8', plan.outside.find(({ why }) => why === 'block')?.address ?? '')).toBe(false);
  });
});

describe('Services', () => {
  it('keep what they are given, get what they lack, and lead to ports that are listened on', () => {
    const plan = planOf(`
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {type: NodePort, selector: {app: web}, clusterIPs: [10.96.0.1], clusterIP: 10.96.0.1, ports: [{name: web, port: 80, targetPort: 1234, nodePort: 30007}, {name: dns, port: 53, protocol: UDP, targetPort: dns}]}
---
apiVersion: v1
kind: Service
metadata: {name: b}
spec: {type: LoadBalancer, selector: {app: web}, ipFamilyPolicy: RequireDualStack, ports: [{port: 80, targetPort: nothing}]}
---
apiVersion: v1
kind: Service
metadata: {name: c}
spec: {selector: {app: web}, clusterIP: 10.96.0.1, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: d}
spec: {selector: {app: web}, clusterIP: None, ports: [{port: 443, targetPort: 8443}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 5353, protocol: UDP, name: dns}]}]}
`);
    const service = (name: string) => plan.services.find((one) => one.name === name);
    expect(service('a')).toMatchObject({
      clusterIPs: ['10.96.0.1'],
      type: 'NodePort',
      ports: [{ nodePort: 30007 }, { protocol: 'UDP' }],
    });
    expect(service('a')?.ports[1]?.nodePort).toBeGreaterThanOrEqual(30000);
    expect(service('a')?.ports.map(({ endpoints }) => endpoints.map(({ port, pod }) => [port, pod]))).toEqual([
      [[1234, 'default/web']],
      [[5353, 'default/web']],
    ]);
    expect(service('b')?.clusterIPs).toHaveLength(2);
    expect(service('b')?.loadBalancerIPs).toHaveLength(2);
    expect(service('b')?.ports[0]?.endpoints).toEqual([]);
    // Two cannot have one address.
    expect(service('c')?.clusterIPs).toHaveLength(1);
    expect(service('c')?.clusterIPs).not.toEqual(['10.96.0.1']);
    expect(service('d')).toMatchObject({ headless: true, clusterIPs: [] });
    expect(plan.pods[0]?.listeners).toEqual([
      { protocol: 'UDP', port: 5353 },
      { protocol: 'TCP', port: 1234 },
      { protocol: 'TCP', port: 80 },
      { protocol: 'TCP', port: 8443 },
    ]);
    expect(codes(plan)).toEqual(['RP703']);
  });

  it('of DNS are added where there are none, and used where there are some', () => {
    const added = planOf(POD('p'), { dns: true });
    expect(added.dns).toEqual({
      addresses: ['10.96.0.1', 'fd00:10:96::1'],
      pods: ['kube-system/coredns'],
      domain: 'cluster.local',
    });
    expect(
      added.objects.filter(({ by }) => by === 'lab').map(({ object }) => `${object.ref.kind}/${object.ref.name}`),
    ).toEqual([
      'Namespace/default',
      'Namespace/kube-system',
      'Node/node-1',
      'Node/node-2',
      'Pod/coredns',
      'Service/kube-dns',
    ]);
    expect(planOf(POD('p')).dns).toBe(null);
    const own = planOf(
      `apiVersion: v1\nkind: Pod\nmetadata: {name: mine, namespace: kube-system, labels: {k8s-app: kube-dns}}\nspec: {containers: [{name: c}]}`,
      { dns: true },
    );
    expect(own.dns).toMatchObject({ addresses: ['10.244.0.2', 'fd00:10:244::2'], pods: ['kube-system/mine'] });
  });
});

describe('any objects', () => {
  const keys = fc.constantFrom(
    'name',
    'labels',
    'spec',
    'status',
    'ports',
    'port',
    'targetPort',
    'nodePort',
    'selector',
    'matchLabels',
    'clusterIP',
    'clusterIPs',
    'template',
    'jobTemplate',
    'containers',
    'containerPort',
    'hostPort',
    'hostNetwork',
    'nodeName',
    'nodeSelector',
    'replicas',
    'podIP',
    'podIPs',
    'ip',
    'podCIDR',
    'addresses',
    'address',
    'type',
    'externalIPs',
    'loadBalancerIP',
    'endpoints',
    'ipFamilies',
    'ordinals',
    'start',
    'ownerReferences',
    'controller',
    'uid',
    'kind',
    '__proto__',
  );
  const values = fc.constantFrom(
    null,
    true,
    0,
    -1,
    80,
    70000,
    '',
    'a',
    'b',
    '10.0.0.1',
    '10.0.0.0/8',
    '::1',
    'fd00::1',
    'None',
    'IPv6',
    'LoadBalancer',
    'NodePort',
    'Node',
    '0.0.0.0',
    'TCP',
  );
  const json = fc.letrec((tie) => ({
    value: fc.oneof({ depthSize: 'medium' }, values, fc.array(tie('value'), { maxLength: 3 }), tie('object')),
    object: fc
      .uniqueArray(fc.tuple(keys, tie('value')), { selector: ([key]) => key, maxLength: 6 })
      .map((entries) => Object.fromEntries(entries)),
  }));
  const kinds = [
    'v1/Pod',
    'v1/Node',
    'v1/Service',
    'v1/Namespace',
    'v1/Endpoints',
    'apps/v1/Deployment',
    'apps/v1/StatefulSet',
    'apps/v1/DaemonSet',
    'apps/v1/ReplicaSet',
    'batch/v1/Job',
    'batch/v1/CronJob',
    'discovery.k8s.io/v1/EndpointSlice',
    'networking.k8s.io/v1/NetworkPolicy',
    'monitoring.coreos.com/v1/Prometheus',
    'example.com/v1/Odd',
  ];
  const object = fc
    .tuple(fc.constantFrom(...kinds), fc.constantFrom('a', 'b'), json.object, json.object, json.object)
    .map(([type, name, metadata, spec, status]) => {
      const slash = type.lastIndexOf('/');
      return {
        apiVersion: type.slice(0, slash),
        kind: type.slice(slash + 1),
        metadata: { ...metadata, name },
        spec,
        status,
        ...(type.includes('Endpoint') ? spec : {}),
      };
    });

  it('can be planned for: no pod without a node, no address twice', () => {
    fc.assert(
      fc.property(fc.array(object, { maxLength: 8 }), (list) => {
        const { objects } = readManifests([
          { file: 'x.json', text: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: list }) },
        ]);
        const plan = planLab(objects);
        const nodes = new Set(plan.nodes.map(({ name }) => name));
        const addresses = [
          ...plan.nodes.flatMap((node) => node.addresses),
          ...plan.pods.filter((pod) => !pod.hostNetwork).flatMap((pod) => pod.addresses),
        ];
        expect(new Set(addresses).size).toBe(addresses.length);
        for (const pod of plan.pods) expect(nodes.has(pod.node)).toBe(true);
        expect(new Set(plan.pods.map(({ id }) => id)).size).toBe(plan.pods.length);
      }),
      { numRuns: 400, seed: 20260101 },
    );
  });
});

describe('a plan', () => {
  it('survives JSON when it is made portable, whatever the keys of the manifests are', () => {
    const plan = planOf(
      `apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {__proto__: x, constructor: z}}\nspec: {containers: [{name: c}]}`,
    );
    expect(Object.entries(plan.pods[0]?.labels ?? {}).sort()).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'z'],
    ]);
    const portable = portablePlan(plan);
    expect(JSON.stringify(JSON.parse(JSON.stringify(portable)))).toBe(JSON.stringify(portable));
  });
});
