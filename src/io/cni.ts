import type { Json, JsonObject, KubeObject } from '../manifest/object.ts';

export type Certainty = 'yes' | 'no' | 'unknown';

/** What enforces policies in a cluster, as far as its objects tell. */
export interface Cni {
  /** All that were found, e.g. `Calico`, `flannel`; `null` if nothing known was. */
  readonly name: string | null;
  /** Whether NetworkPolicy is enforced. `no` only where what was found is known not to. */
  readonly enforces: Certainty;
  readonly supports: {
    readonly networkPolicy: Certainty;
    readonly adminNetworkPolicy: Certainty;
    readonly clusterNetworkPolicy: Certainty;
  };
  /** The objects that tell it, one sentence each. */
  readonly evidence: readonly string[];
}

/** A daemon as a DaemonSet or, where those cannot be read, one of its pods describes it. */
interface Daemon {
  readonly id: string;
  /** Name of the DaemonSet. */
  readonly name: string;
  readonly namespace: string;
  /** Of the pods. */
  readonly labels: ReadonlyMap<string, string>;
  readonly own: ReadonlyMap<string, string>;
  readonly containers: readonly Container[];
  /** Images, arguments and environment are known: it was read from a live cluster. */
  readonly detailed: boolean;
}

interface Container {
  readonly name: string;
  readonly image: string;
  /** Command and arguments. */
  readonly args: readonly string[];
  readonly env: ReadonlyMap<string, string>;
}

/** What one daemon was recognised as. */
interface Finding {
  readonly name: string;
  readonly enforces: Certainty;
  readonly admin: Certainty;
  readonly clusterWide: Certainty;
  readonly why?: string;
}

const enforcing = (name: string, admin: Certainty = 'no', clusterWide: Certainty = 'no'): Finding => ({
  name,
  enforces: 'yes',
  admin,
  clusterWide,
});

const silent = (name: string, enforces: Certainty, why: string): Finding => ({
  name,
  enforces,
  admin: enforces === 'no' ? 'no' : 'unknown',
  clusterWide: enforces === 'no' ? 'no' : 'unknown',
  why,
});

/** In order: the first that knows a daemon names it. */
const RECOGNISERS: readonly ((daemon: Daemon) => Finding | null)[] = [
  (d) => (isApp(d, 'rampart') ? enforcing('Rampart', 'yes', 'yes') : null),
  (d) => {
    if (named(d, 'anetd')) return enforcing('GKE Dataplane V2', 'unknown', 'unknown');
    return null;
  },
  (d) =>
    named(d, 'cilium', 'cilium-agent') && (has(d, 'k8s-app', 'cilium') || isApp(d, 'cilium-agent')) ? cilium(d) : null,
  (d) => (named(d, 'canal', 'rke2-canal') || has(d, 'k8s-app', 'canal') ? enforcing('Canal (Calico policy)') : null),
  // Calico enforces AdminNetworkPolicy from 3.29 on and ClusterNetworkPolicy later; the objects do not tell.
  (d) =>
    has(d, 'k8s-app', 'calico-node') || named(d, 'calico-node') ? enforcing('Calico', 'unknown', 'unknown') : null,
  (d) =>
    named(d, 'antrea-agent') || has(d, 'component', 'antrea-agent') ? enforcing('Antrea', 'unknown', 'unknown') : null,
  (d) =>
    has(d, 'app', 'ovnkube-node') || named(d, 'ovnkube-node') ? enforcing('OVN-Kubernetes', 'yes', 'unknown') : null,
  (d) => (named(d, 'sdn') && d.namespace === 'openshift-sdn' ? enforcing('OpenShift SDN') : null),
  (d) =>
    named(d, 'kube-ovn-cni') || has(d, 'app', 'kube-ovn-cni') ? enforcing('Kube-OVN', 'unknown', 'unknown') : null,
  (d) => (has(d, 'k8s-app', 'kube-router') || named(d, 'kube-router') ? kubeRouter(d) : null),
  (d) => (named(d, 'weave-net') || has(d, 'name', 'weave-net') ? weave(d) : null),
  (d) => (has(d, 'k8s-app', 'azure-npm') ? enforcing('Azure Network Policy Manager') : null),
  (d) => (has(d, 'k8s-app', 'aws-node') || named(d, 'aws-node') ? awsNode(d) : null),
  (d) => (runs(d, 'kube-network-policies') || named(d, 'kube-network-policies') ? kubeNetworkPolicies(d) : null),
  (d) => (has(d, 'app', 'kindnet') || has(d, 'k8s-app', 'kindnet') || named(d, 'kindnet') ? kindnet(d) : null),
  (d) =>
    d.name.startsWith('terway') || has(d, 'app', 'terway-eniip')
      ? silent('Terway', 'unknown', 'its policy engine is an option')
      : null,
  (d) => (named(d, 'nsx-node-agent', 'nsx-ncp-bootstrap') ? enforcing('NSX') : null),
  (d) =>
    has(d, 'app', 'flannel') || has(d, 'k8s-app', 'flannel') || d.name.startsWith('kube-flannel')
      ? silent('flannel', 'no', 'flannel moves packets and enforces no policy')
      : null,
  (d) => (has(d, 'k8s-app', 'azure-cns') ? silent('Azure CNI', 'no', 'Azure CNI alone enforces no policy') : null),
];

/**
 * Tells what enforces policies in a cluster from its DaemonSets, or from its pods where `daemonSetsUnread`, and from k3s's
 * nodes. Nothing is concluded from what is not there: an unknown CNI is `unknown`.
 */
export function detectCni(objects: readonly KubeObject[], daemonSetsUnread = false): Cni {
  const findings = new Map<string, { finding: Finding; evidence: string }>();
  for (const daemon of daemonsOf(objects, daemonSetsUnread)) {
    for (const recognise of RECOGNISERS) {
      const finding = recognise(daemon);
      if (finding === null) continue;
      const evidence = `${daemon.id} is ${finding.name}${finding.why === undefined ? '' : `: ${finding.why}`}`;
      const known = findings.get(finding.name);
      if (known === undefined || rank(finding.enforces) > rank(known.finding.enforces)) {
        findings.set(finding.name, { finding, evidence });
      }
      break;
    }
  }
  // k3s has flannel and a policy controller built in, without any pod.
  const k3s = k3sOf(objects);
  if (k3s !== null && findings.size === 0) findings.set(k3s.finding.name, k3s);
  const all = [...findings.values()];
  const best = (pick: (finding: Finding) => Certainty): Certainty => {
    const values = all.map(({ finding }) => pick(finding));
    return values.includes('yes') ? 'yes' : values.includes('unknown') || values.length === 0 ? 'unknown' : 'no';
  };
  const enforces = best((f) => f.enforces);
  return {
    name: all.length === 0 ? null : all.map(({ finding }) => finding.name).join(', '),
    enforces,
    supports: {
      networkPolicy: enforces,
      adminNetworkPolicy: best((f) => f.admin),
      clusterNetworkPolicy: best((f) => f.clusterWide),
    },
    evidence: all.map(({ evidence }) => evidence),
  };
}

/** The sentence that a report shows, or `null` if there is nothing to warn of. */
export function cniWarning(cni: Cni): string | null {
  if (cni.enforces === 'yes') return null;
  if (cni.enforces === 'no') return `this cluster's CNI (${cni.name ?? 'none'}) does not enforce NetworkPolicy`;
  if (cni.name !== null)
    return `whether ${cni.name} enforces NetworkPolicy here cannot be told from the cluster's objects`;
  return 'what enforces NetworkPolicy in this cluster is not known';
}

function rank(certainty: Certainty): number {
  return certainty === 'yes' ? 2 : certainty === 'unknown' ? 1 : 0;
}

function cilium(daemon: Daemon): Finding {
  const off = daemon.containers.some((c) => c.args.includes('--enable-policy=never'));
  if (off) return silent('Cilium', 'no', 'it runs with --enable-policy=never');
  return enforcing('Cilium', 'unknown', 'unknown');
}

function kubeRouter(daemon: Daemon): Finding {
  const off = daemon.containers.some((c) => c.args.includes('--run-firewall=false'));
  return off ? silent('kube-router', 'no', 'it runs with --run-firewall=false') : enforcing('kube-router');
}

function weave(daemon: Daemon): Finding {
  const controller = daemon.containers.some((c) => c.name === 'weave-npc');
  return controller
    ? enforcing('Weave Net')
    : silent('Weave Net', 'no', 'its policy controller `weave-npc` is not part of it');
}

/** The VPC CNI enforces only with its agent beside it, and only when that is told to. */
function awsNode(daemon: Daemon): Finding {
  const name = 'AWS VPC CNI';
  const agent = daemon.containers.find((c) => /^aws-(eks-nodeagent|network-policy-agent)$/.test(c.name));
  if (agent === undefined) return silent(name, 'no', 'its network policy agent is not part of it');
  if (!daemon.detailed) return silent(name, 'unknown', 'the arguments of its network policy agent are not known');
  const flag = agent.args.find((arg) => /^--?enable-network-policy(=|$)/.test(arg));
  const on = flag !== undefined && !/=(false|0|f)$/i.test(flag);
  return on ? enforcing(name) : silent(name, 'no', 'its network policy agent is not enabled');
}

/** Whether the admin policies are read depends on the build. */
function kubeNetworkPolicies(daemon: Daemon): Finding {
  const tag = daemon.containers.map((c) => c.image).find((image) => image.includes('kube-network-policies')) ?? '';
  const args = daemon.containers.flatMap((c) => c.args).join(' ');
  const admin = /npa-v1alpha1/.test(tag) || /--admin-network-policy(=true)?( |$)/.test(args);
  const clusterWide = /npa-v1alpha2/.test(tag);
  const rest: Certainty = daemon.detailed ? 'no' : 'unknown';
  return enforcing('kube-network-policies', admin ? 'yes' : rest, clusterWide ? 'yes' : rest);
}

/** kindnet has had the policy controller built in since kind 0.24, whose image is of 2024-08-13. */
function kindnet(daemon: Daemon): Finding {
  const image = daemon.containers.map((c) => c.image).find((i) => i.includes('kindnetd')) ?? '';
  const date = /kindnetd:v(\d{8})/.exec(image)?.[1];
  if (date === undefined) {
    return runs(daemon, 'aojea/kindnet')
      ? enforcing('kindnet')
      : silent('kindnet', 'unknown', 'its version is not known');
  }
  if (Number(date) >= 20240813) return enforcing('kindnet');
  return silent('kindnet', 'no', `its version of ${date} is older than kind 0.24, which brought policies`);
}

function k3sOf(objects: readonly KubeObject[]): { finding: Finding; evidence: string } | null {
  for (const object of objects) {
    if (object.ref.kind !== 'Node' || object.ref.apiVersion !== 'v1') continue;
    const info = child(child(object.value, 'status'), 'nodeInfo');
    const metadata = child(object.value, 'metadata');
    const labels = child(metadata, 'labels');
    const version = text(info, 'kubeletVersion');
    if (!version.includes('+k3s') && text(labels, 'node.kubernetes.io/instance-type') !== 'k3s') continue;
    const args = text(child(metadata, 'annotations'), 'k3s.io/node-args');
    const off = /--disable-network-policy|disable-network-policy:\s*true/.test(args);
    // Only servers carry the option.
    if (!off && !args.includes('"server"')) continue;
    const finding = off
      ? silent('k3s', 'no', 'k3s runs with --disable-network-policy')
      : enforcing('k3s (built-in kube-router policy controller)');
    return {
      finding,
      evidence: `Node/${object.ref.name} is ${finding.name}${off ? ', run with --disable-network-policy' : ''}`,
    };
  }
  return null;
}

function daemonsOf(objects: readonly KubeObject[], fromPods: boolean): readonly Daemon[] {
  const out: Daemon[] = [];
  const seen = new Set<string>();
  for (const { ref, value } of objects) {
    const metadata = child(value, 'metadata');
    if (ref.kind === 'DaemonSet' && ref.apiVersion === 'apps/v1') {
      // Left behind or not meant for these nodes.
      if (child(value, 'status')?.desiredNumberScheduled === 0) continue;
      const template = child(child(value, 'spec'), 'template');
      const labels = textMap(child(child(template, 'metadata'), 'labels'));
      out.push(
        daemonOf(
          `DaemonSet/${ref.namespace}/${ref.name}`,
          ref.name,
          ref.namespace ?? '',
          labels,
          textMap(child(metadata, 'labels')),
          child(template, 'spec'),
        ),
      );
    } else if (fromPods && ref.kind === 'Pod' && ref.apiVersion === 'v1') {
      const owner = list(metadata, 'ownerReferences').find((o) => text(o, 'kind') === 'DaemonSet');
      if (owner === undefined) continue;
      const key = `${ref.namespace}/${text(owner, 'name')}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const labels = textMap(child(metadata, 'labels'));
      out.push(
        daemonOf(
          `Pod/${ref.namespace}/${ref.name}`,
          text(owner, 'name'),
          ref.namespace ?? '',
          labels,
          labels,
          child(value, 'spec'),
        ),
      );
    }
  }
  return out;
}

function daemonOf(
  id: string,
  name: string,
  namespace: string,
  labels: ReadonlyMap<string, string>,
  own: ReadonlyMap<string, string>,
  spec: JsonObject | undefined,
): Daemon {
  const containers = list(spec, 'containers').map((c) => ({
    name: text(c, 'name'),
    image: text(c, 'image'),
    args: [...strings(c, 'command'), ...strings(c, 'args')].flatMap((arg) =>
      arg.includes('\n') ? arg.split(/\s+/) : [arg],
    ),
    env: new Map(list(c, 'env').map((e) => [text(e, 'name'), text(e, 'value')] as const)),
  }));
  return { id, name, namespace, labels, own, containers, detailed: containers.some((c) => c.image !== '') };
}

function named(daemon: Daemon, ...names: readonly string[]): boolean {
  return names.includes(daemon.name);
}

function has(daemon: Daemon, key: string, value: string): boolean {
  return daemon.labels.get(key) === value;
}

function isApp(daemon: Daemon, value: string): boolean {
  return daemon.labels.get('app.kubernetes.io/name') === value || daemon.own.get('app.kubernetes.io/name') === value;
}

function runs(daemon: Daemon, image: string): boolean {
  return daemon.containers.some((c) => c.image.includes(image));
}

function child(value: JsonObject | undefined, key: string): JsonObject | undefined {
  const inner = value !== undefined && Object.hasOwn(value, key) ? value[key] : undefined;
  return typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? (inner as JsonObject) : undefined;
}

function text(value: JsonObject | undefined, key: string): string {
  const inner = value !== undefined && Object.hasOwn(value, key) ? value[key] : undefined;
  return typeof inner === 'string' ? inner : '';
}

function list(value: JsonObject | undefined, key: string): readonly JsonObject[] {
  const inner = value !== undefined && Object.hasOwn(value, key) ? value[key] : undefined;
  if (!Array.isArray(inner)) return [];
  return (inner as readonly Json[]).filter(
    (i): i is JsonObject => typeof i === 'object' && i !== null && !Array.isArray(i),
  );
}

function strings(value: JsonObject, key: string): readonly string[] {
  const inner = Object.hasOwn(value, key) ? value[key] : undefined;
  return Array.isArray(inner) ? (inner as readonly Json[]).filter((i): i is string => typeof i === 'string') : [];
}

function textMap(value: JsonObject | undefined): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(value ?? {}).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}
