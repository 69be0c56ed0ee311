import { describe, expect, it } from 'vitest';
import type { Json, KubeObject } from '../manifest/object.ts';
import { cniWarning, detectCni } from './cni.ts';

interface Shape {
  readonly namespace?: string;
  readonly labels?: Record<string, string>;
  readonly containers?: readonly Json[];
  readonly desired?: number;
}

/** A DaemonSet as the named product installs it. */
function daemon(name: string, shape: Shape = {}): KubeObject {
  const namespace = shape.namespace ?? 'kube-system';
  return {
    ref: { apiVersion: 'apps/v1', kind: 'DaemonSet', namespace, name, source: null },
    value: {
      metadata: { name, namespace },
      spec: {
        template: {
          metadata: { labels: shape.labels ?? {} },
          spec: { containers: shape.containers ?? [{ name, image: `registry.example.com/${name}:v1` }] },
        },
      },
      ...(shape.desired === undefined ? {} : { status: { desiredNumberScheduled: shape.desired } }),
    },
  };
}

function node(name: string, args: string | null, version = 'v1.33.1+k3s1'): KubeObject {
  return {
    ref: { apiVersion: 'v1', kind: 'Node', namespace: null, name, source: null },
    value: {
      metadata: { name, ...(args === null ? {} : { annotations: { 'k3s.io/node-args': args } }) },
      status: { nodeInfo: { kubeletVersion: version } },
    },
  };
}

const proxy = daemon('kube-proxy', { labels: { 'k8s-app': 'kube-proxy' } });
const flannel = daemon('kube-flannel-ds', {
  namespace: 'kube-flannel',
  labels: { app: 'flannel', 'k8s-app': 'flannel', tier: 'node' },
});
const awsNode = (containers: readonly Json[]): KubeObject =>
  daemon('aws-node', { labels: { 'k8s-app': 'aws-node', 'app.kubernetes.io/name': 'aws-node' }, containers });
const agent = (name: string, flag: string): Json => ({
  name,
  image: 'amazon/aws-network-policy-agent:v1.2.1',
  args: ['--enable-ipv6=false', flag],
});
const kindnet = (image: string): KubeObject =>
  daemon('kindnet', {
    labels: { app: 'kindnet', 'k8s-app': 'kindnet', tier: 'node' },
    containers: [{ name: 'kindnet-cni', image }],
  });

describe('detectCni', () => {
  it.each<[string, readonly KubeObject[], string | null, string]>([
    ['nothing at all', [], null, 'unknown'],
    ['something unknown', [proxy, daemon('my-cni')], null, 'unknown'],
    ['Calico by manifest', [daemon('calico-node', { labels: { 'k8s-app': 'calico-node' } })], 'Calico', 'yes'],
    [
      'Calico by operator',
      [daemon('calico-node', { namespace: 'calico-system', labels: { 'k8s-app': 'calico-node' } })],
      'Calico',
      'yes',
    ],
    ['Canal', [daemon('canal', { labels: { 'k8s-app': 'canal' } })], 'Canal (Calico policy)', 'yes'],
    [
      'Cilium',
      [daemon('cilium', { labels: { 'k8s-app': 'cilium', 'app.kubernetes.io/name': 'cilium-agent' } })],
      'Cilium',
      'yes',
    ],
    [
      'Azure CNI powered by Cilium',
      [
        daemon('azure-cns', { labels: { 'k8s-app': 'azure-cns' } }),
        daemon('cilium', { labels: { 'k8s-app': 'cilium' } }),
      ],
      'Azure CNI, Cilium',
      'yes',
    ],
    ['GKE Dataplane V2', [daemon('anetd', { labels: { 'k8s-app': 'cilium' } })], 'GKE Dataplane V2', 'yes'],
    ['Antrea', [daemon('antrea-agent', { labels: { app: 'antrea', component: 'antrea-agent' } })], 'Antrea', 'yes'],
    [
      'OVN-Kubernetes',
      [daemon('ovnkube-node', { namespace: 'openshift-ovn-kubernetes', labels: { app: 'ovnkube-node' } })],
      'OVN-Kubernetes',
      'yes',
    ],
    ['kube-router', [daemon('kube-router', { labels: { 'k8s-app': 'kube-router' } })], 'kube-router', 'yes'],
    [
      'kube-router without firewall',
      [
        daemon('kube-router', {
          labels: { 'k8s-app': 'kube-router' },
          containers: [{ name: 'kube-router', image: 'r', args: ['--run-firewall=false'] }],
        }),
      ],
      'kube-router',
      'no',
    ],
    [
      'Weave',
      [
        daemon('weave-net', {
          labels: { name: 'weave-net' },
          containers: [
            { name: 'weave', image: 'w' },
            { name: 'weave-npc', image: 'w' },
          ],
        }),
      ],
      'Weave Net',
      'yes',
    ],
    [
      'Weave without its controller',
      [daemon('weave-net', { labels: { name: 'weave-net' }, containers: [{ name: 'weave', image: 'w' }] })],
      'Weave Net',
      'no',
    ],
    ['Azure NPM', [daemon('azure-npm', { labels: { 'k8s-app': 'azure-npm' } })], 'Azure Network Policy Manager', 'yes'],
    ['Azure CNI alone', [daemon('azure-cns', { labels: { 'k8s-app': 'azure-cns' } })], 'Azure CNI', 'no'],
    [
      'the VPC CNI with policies',
      [awsNode([{ name: 'aws-node', image: 'a' }, agent('aws-eks-nodeagent', '--enable-network-policy=true')])],
      'AWS VPC CNI',
      'yes',
    ],
    [
      'the VPC CNI with the agent under its other name',
      [awsNode([agent('aws-network-policy-agent', '--enable-network-policy=true')])],
      'AWS VPC CNI',
      'yes',
    ],
    [
      'the VPC CNI as it is installed',
      [awsNode([{ name: 'aws-node', image: 'a' }, agent('aws-eks-nodeagent', '--enable-network-policy=false')])],
      'AWS VPC CNI',
      'no',
    ],
    ['the VPC CNI before 1.14', [awsNode([{ name: 'aws-node', image: 'a' }])], 'AWS VPC CNI', 'no'],
    [
      'the VPC CNI from a manifest without arguments',
      [awsNode([{ name: 'aws-eks-nodeagent' }])],
      'AWS VPC CNI',
      'unknown',
    ],
    ['kindnet of kind 0.27', [kindnet('docker.io/kindest/kindnetd:v20250214-acbabc1a')], 'kindnet', 'yes'],
    ['kindnet of kind 0.24', [kindnet('docker.io/kindest/kindnetd:v20240813-c6f155d6')], 'kindnet', 'yes'],
    ['kindnet of kind 0.22', [kindnet('docker.io/kindest/kindnetd:v20240202-8f1494ea')], 'kindnet', 'no'],
    ['kindnet of unknown age', [kindnet('example.com/kindnetd:latest')], 'kindnet', 'unknown'],
    ['flannel', [flannel, proxy], 'flannel', 'no'],
    [
      'flannel beside kube-network-policies',
      [
        flannel,
        daemon('kube-network-policies', {
          containers: [
            { name: 'kube-network-policies', image: 'registry.k8s.io/networking/kube-network-policies:v0.7.0' },
          ],
        }),
      ],
      'flannel, kube-network-policies',
      'yes',
    ],
    [
      'flannel with kube-network-policies inside, as Talos has it',
      [
        daemon('kube-flannel', {
          labels: { 'k8s-app': 'flannel' },
          containers: [
            { name: 'kube-flannel', image: 'flannel:v1' },
            { name: 'kube-network-policies', image: 'registry.k8s.io/networking/kube-network-policies:v0.7.0' },
          ],
        }),
      ],
      'kube-network-policies',
      'yes',
    ],
    [
      'flannel beside Calico that runs nowhere',
      [flannel, daemon('calico-node', { labels: { 'k8s-app': 'calico-node' }, desired: 0 })],
      'flannel',
      'no',
    ],
    [
      'flannel beside Rampart',
      [flannel, daemon('rampart-agent', { labels: { 'app.kubernetes.io/name': 'rampart' } })],
      'flannel, Rampart',
      'yes',
    ],
    ['k3s', [node('a', '["server","--tls-san","x"]')], 'k3s (built-in kube-router policy controller)', 'yes'],
    ['k3s without its controller', [node('a', '["server","--disable-network-policy"]')], 'k3s', 'no'],
    ['k3s of which only agents are seen', [node('a', '["agent"]')], null, 'unknown'],
    ['k3s without annotations', [node('a', null)], null, 'unknown'],
  ])('knows %s', (_name, objects, name, enforces) => {
    const cni = detectCni(objects);
    expect([cni.name, cni.enforces, cni.supports.networkPolicy]).toEqual([name, enforces, enforces]);
    expect(cni.evidence.length).toBe(name === null ? 0 : name.split(', ').length);
    expect(cniWarning(cni) === null).toBe(enforces === 'yes');
  });

  it('says that nothing is enforced only where that is known', () => {
    expect(cniWarning(detectCni([flannel]))).toBe("this cluster's CNI (flannel) does not enforce NetworkPolicy");
    expect(cniWarning(detectCni([]))).toBe('what enforces NetworkPolicy in this cluster is not known');
    expect(cniWarning(detectCni([kindnet('x/kindnetd')]))).toBe(
      "whether kindnet enforces NetworkPolicy here cannot be told from the cluster's objects",
    );
  });

  it('names its evidence', () => {
    expect(detectCni([flannel]).evidence).toEqual([
      'DaemonSet/kube-flannel/kube-flannel-ds is flannel: flannel moves packets and enforces no policy',
    ]);
  });

  it('knows which policies each reads', () => {
    const supports = (object: KubeObject): unknown => detectCni([object]).supports;
    const ovn = daemon('ovnkube-node', { labels: { app: 'ovnkube-node' } });
    expect(supports(ovn)).toEqual({ networkPolicy: 'yes', adminNetworkPolicy: 'yes', clusterNetworkPolicy: 'unknown' });
    expect(supports(daemon('x', { labels: { 'app.kubernetes.io/name': 'rampart' } }))).toEqual({
      networkPolicy: 'yes',
      adminNetworkPolicy: 'yes',
      clusterNetworkPolicy: 'yes',
    });
    const knp = (tag: string): KubeObject =>
      daemon('kube-network-policies', {
        containers: [{ name: 'k', image: `registry.k8s.io/networking/kube-network-policies:${tag}` }],
      });
    expect(supports(knp('v1.0.0'))).toEqual({
      networkPolicy: 'yes',
      adminNetworkPolicy: 'no',
      clusterNetworkPolicy: 'no',
    });
    expect(supports(knp('v1.0.0-npa-v1alpha1'))).toMatchObject({
      adminNetworkPolicy: 'yes',
      clusterNetworkPolicy: 'no',
    });
    expect(supports(knp('v1.0.0-npa-v1alpha2'))).toMatchObject({
      adminNetworkPolicy: 'no',
      clusterNetworkPolicy: 'yes',
    });
  });

  it('reads pods where DaemonSets may not be read', () => {
    const pod: KubeObject = {
      ref: { apiVersion: 'v1', kind: 'Pod', namespace: 'kube-system', name: 'calico-node-x7k2p', source: null },
      value: {
        metadata: {
          labels: { 'k8s-app': 'calico-node' },
          ownerReferences: [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'calico-node', controller: true }],
        },
        spec: { containers: [{ name: 'calico-node' }] },
      },
    };
    expect(detectCni([pod]).name).toBeNull();
    expect(detectCni([pod, pod], true)).toMatchObject({
      name: 'Calico',
      evidence: ['Pod/kube-system/calico-node-x7k2p is Calico'],
    });
  });

  it('survives any object', () => {
    const odd = (value: Json): KubeObject => ({
      ref: { apiVersion: 'apps/v1', kind: 'DaemonSet', namespace: 'n', name: '__proto__', source: null },
      value: value as KubeObject['value'],
    });
    const junk: Json[] = [
      {},
      { spec: null },
      { spec: { template: [] } },
      { spec: { template: { spec: { containers: [null, 1, { args: 'x' }] } } } },
    ];
    expect(detectCni(junk.map(odd)).enforces).toBe('unknown');
  });
});
