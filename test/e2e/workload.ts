import { AGNHOST, type NodeCluster, type Outcome, until } from './cluster.ts';

export interface PodOptions {
  readonly node?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly hostNetwork?: boolean;
  /** Ports of HTTP and UDP; 8080 and 8081 if not given. */
  readonly http?: number;
  readonly udp?: number;
  readonly probe?: object;
  /** Gives up on names soon. */
  readonly quickDns?: boolean;
}

/** A pod that serves HTTP and answers UDP, and from which connections can be tried. */
export function pod(namespace: string, name: string, options: PodOptions = {}): object {
  const http = options.http ?? 8080;
  const udp = options.udp ?? 8081;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels: { pod: name, ...options.labels } },
    spec: {
      terminationGracePeriodSeconds: 0,
      ...(options.node === undefined ? {} : { nodeName: options.node }),
      hostNetwork: options.hostNetwork ?? false,
      ...(options.quickDns === true
        ? {
            dnsConfig: {
              options: [
                { name: 'timeout', value: '1' },
                { name: 'attempts', value: '1' },
              ],
            },
          }
        : {}),
      automountServiceAccountToken: false,
      tolerations: [{ operator: 'Exists' }],
      containers: [
        {
          name: 'c',
          image: AGNHOST,
          args: ['netexec', `--http-port=${http}`, `--udp-port=${udp}`],
          ports: [
            { name: 'http', containerPort: http },
            { name: 'udp', containerPort: udp, protocol: 'UDP' },
          ],
          readinessProbe: options.probe ?? { httpGet: { path: '/healthz', port: http }, periodSeconds: 1 },
        },
      ],
    },
  };
}

export function namespace(name: string, labels: Readonly<Record<string, string>> = {}): object {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
}

/** A NetworkPolicy for the pods with this label `pod`, or for all. */
export function policy(
  space: string,
  name: string,
  subject: string | null,
  rules: { readonly ingress?: readonly object[]; readonly egress?: readonly object[] },
): object {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace: space, name },
    spec: {
      podSelector: subject === null ? {} : { matchLabels: { pod: subject } },
      policyTypes: [...(rules.ingress ? ['Ingress'] : []), ...(rules.egress ? ['Egress'] : [])],
      ...rules,
    },
  };
}

/** Creates objects and waits until the pods among them are ready. */
export async function start(cluster: NodeCluster, space: string, ...objects: readonly object[]): Promise<void> {
  await cluster.apply(namespace(space), ...objects);
  await cluster.kubectl('-n', space, 'wait', '--for=condition=Ready', 'pods', '--all', '--timeout=90s');
}

/** Removes a namespace, and waits until it is gone. */
export async function remove(cluster: NodeCluster, space: string): Promise<void> {
  await cluster.kubectl('delete', 'namespace', space, '--timeout=90s');
}

/** Addresses of a pod, IPv4 first. */
export async function addresses(cluster: NodeCluster, space: string, name: string): Promise<readonly [string, string]> {
  const path = '-o=jsonpath={.status.podIPs[*].ip}';
  const [v4, v6] = (await cluster.kubectl('-n', space, 'get', 'pod', name, path)).split(' ');
  if (v4 === undefined || v6 === undefined) throw new Error(`${space}/${name} has not two addresses`);
  return [v4, v6];
}

export type Answer = 'connected' | 'timeout' | 'refused' | 'other';

/** What a run of `agnhost connect` says; it fails on what is no answer about the connection. */
function answerOf({ code, stdout, stderr }: Outcome): Answer {
  if (code === 0) return 'connected';
  if (/TIMEOUT/.test(stderr)) return 'timeout';
  if (/REFUSED/.test(stderr)) return 'refused';
  if (/OTHER|DNS/.test(stderr)) return 'other';
  throw new Error(`no answer: ${code} ${stdout} ${stderr}`);
}

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly protocol?: 'tcp' | 'udp';
}

function connectArgs({ host, port, protocol }: Target): readonly string[] {
  const at = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return ['connect', at, '--timeout=1s', `--protocol=${protocol ?? 'tcp'}`];
}

/** Whoever can try a connection. */
export type Source = (target: Target) => Promise<Answer>;

/** A pod as source. */
export function from(cluster: NodeCluster, space: string, name: string): Source {
  return async (target) =>
    answerOf(await cluster.tryKubectl('-n', space, 'exec', name, '--', '/agnhost', ...connectArgs(target)));
}

/** A program on a node as source, in the node's network. */
export function fromNode(cluster: NodeCluster, node: string): Source {
  return async (target) => answerOf(await cluster.onNode(node, 'agnhost', ...connectArgs(target)));
}

/** Asks until the answer is the expected one, then once more; what was answered last. */
export async function settled(source: Source, target: Target, expected: Answer): Promise<Answer> {
  const first = await until(
    15,
    () => source(target),
    (answer) => answer === expected,
  );
  return first === expected ? source(target) : first;
}
