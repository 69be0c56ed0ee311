/** Manifests as a user writes them, ready to be asked about. */
import { indexCluster } from '../../src/cluster/cluster-index.ts';
import { parseEndpoint } from '../../src/cluster/endpoint-text.ts';
import { findEndpoint } from '../../src/cluster/find.ts';
import { type Answer, type AskedEnd, answerQuestion } from '../../src/engine/explain/answer.ts';
import { type Prepared, prepareExplain } from '../../src/engine/explain/prepare.ts';
import { factsOf } from '../../src/engine/match.ts';
import { type InputOptions, inputOf } from '../../src/input/input.ts';
import { readManifests } from '../../src/manifest/read.ts';
import type { Pod, Service } from '../../src/model/cluster.ts';
import type { Flow } from '../../src/model/flow.ts';
import type { Protocol } from '../../src/model/match.ts';
import type { Direction } from '../../src/model/program.ts';
import type { Reason } from '../../src/model/verdict.ts';

export interface Asked {
  readonly protocol?: Protocol | null;
  readonly direction?: Direction;
}

export interface ManifestWorld {
  readonly prepared: Prepared;
  pod(id: string): Pod;
  service(id: string): Service;
  end(text: string): AskedEnd;
  flow(source: string, destination: string, port: number | null, protocol?: Protocol): Flow;
  ask(source: string, destination: string, port: number | string | null, asked?: Asked): Answer;
}

/** Reads documents; an error in them is an error of the test. */
export function manifestWorld(text: string, options: InputOptions & { readonly errors?: true } = {}): ManifestWorld {
  const reading = readManifests([{ file: 'test.yaml', text }]);
  const { cluster, program, diagnostics } = inputOf(reading.objects, options);
  const errors = [...reading.diagnostics, ...diagnostics].filter((one) => one.severity === 'error');
  if (errors.length > 0 && options.errors !== true) throw new Error(errors.map((one) => one.message).join('\n'));
  const prepared = prepareExplain(program, factsOf(cluster));
  const index = indexCluster(cluster);
  const end = (name: string): AskedEnd => {
    const parsed = parseEndpoint(name);
    if (!parsed.ok) throw new Error(parsed.message);
    const found = findEndpoint(index, parsed.endpoint, { podFirst: true });
    if (found.kind === 'unknown') throw new Error(found.message);
    return found;
  };
  const single = (name: string): Flow['source'] => {
    const found = end(name);
    if (found.kind === 'service' || found.kind === 'range') throw new Error(`${name} is no single endpoint`);
    if (found.kind !== 'pods') return found;
    const [pod] = found.pods;
    if (pod === undefined) throw new Error(`${name} has no pods`);
    return { kind: 'pod', pod };
  };
  return {
    prepared,
    end,
    pod(id) {
      const found = single(id);
      if (found.kind !== 'pod') throw new Error(`${id} is no pod`);
      return found.pod;
    },
    service(id) {
      const found = end(`svc/${id}`);
      if (found.kind !== 'service') throw new Error(`${id} is no Service`);
      return found.service;
    },
    flow: (source, destination, port, protocol = 'TCP') => ({
      source: single(source),
      destination: single(destination),
      protocol,
      port,
      family: null,
      viaService: false,
    }),
    ask: (source, destination, port, { protocol = 'TCP', direction = undefined } = {}) =>
      answerQuestion(prepared, {
        source: end(source),
        destination: end(destination),
        protocol,
        port,
        direction: direction ?? null,
      }),
  };
}

/** Near misses of an end as `policy exact-field`, nearest first. */
export function nearMisses(reasons: readonly Reason[] | undefined): readonly string[] {
  return (reasons ?? [])
    .filter((reason) => reason.kind === 'near-miss')
    .map((reason) => `${reason.policy} ${reason.origin?.field}`);
}

interface PodDraft {
  readonly labels?: Readonly<Record<string, string>>;
  readonly ip?: string | readonly string[];
  readonly node?: string;
  readonly host?: true;
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number; readonly protocol?: string }[];
}

/** A Pod as JSON, which is YAML. */
export function pod(id: string, { labels = {}, ip = [], node, host, ports = [] }: PodDraft = {}): string {
  const [namespace, name] = id.split('/');
  const ips = typeof ip === 'string' ? [ip] : ip;
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels },
    spec: {
      ...(node === undefined ? {} : { nodeName: node }),
      ...(host === undefined ? {} : { hostNetwork: true }),
      containers: [{ name: 'main', image: 'main', ports }],
    },
    status: { podIPs: ips.map((each) => ({ ip: each })) },
  });
}

export function namespace(name: string, labels: Readonly<Record<string, string>> = {}): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
}

export function node(name: string, address: string, labels: Readonly<Record<string, string>> = {}): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels },
    status: { addresses: [{ type: 'InternalIP', address }] },
  });
}

/** A NetworkPolicy with a spec in YAML flow style. */
export function networkPolicy(id: string, spec: string): string {
  const [space, name] = id.split('/');
  return `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {namespace: ${space}, name: ${name}}, spec: ${spec}}`;
}

/** A ClusterNetworkPolicy with a spec in YAML flow style. */
export function clusterPolicy(name: string, spec: string): string {
  return `{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, metadata: {name: ${name}}, spec: ${spec}}`;
}

export function documents(...parts: readonly string[]): string {
  return parts.join('\n---\n');
}
