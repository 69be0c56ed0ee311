import type { JsonObject } from '../manifest/object.ts';
import type { ContainerPort } from '../model/cluster.ts';
import type { Labels } from '../model/selector.ts';
import { type Decoding, flagAt, numberAt, objectAt, textAt } from './decode.ts';
import { type Interner, internEntries, internLabels, internPorts } from './intern.ts';
import { podNetwork } from './pod-spec.ts';

/** What the prometheus-operator would make of one shard of a resource. */
export interface OperatedPods {
  readonly labels: Labels;
  readonly ports: readonly ContainerPort[];
  readonly hostNetwork: boolean;
}

/** A resource may ask for any number of shards; more than these tell nothing new. */
const MOST_SHARDS = 64;

/**
 * The pods, one per shard, that the prometheus-operator makes from a Prometheus, PrometheusAgent, Alertmanager or
 * ThanosRuler: the labels of its selectors over `spec.podMetadata.labels`, and the ports of its containers.
 */
export function operatedPods(shared: Interner, of: Decoding): readonly OperatedPods[] {
  const { kind, name } = of.object.ref;
  const spec = objectAt(of, of.object.value.spec, 'spec', '');
  const metadata = objectAt(of, spec.podMetadata, 'podMetadata', 'spec');
  const given = internLabels(
    shared,
    of,
    objectAt(of, metadata.labels, 'labels', 'spec.podMetadata'),
    'spec.podMetadata.labels',
  );
  const extra = podNetwork(shared, of, spec, 'spec');
  const ports = internPorts(shared, withoutTwins([...operatorPorts(of, kind, spec), ...extra.ports]));
  const selector = selectorLabels(kind, name);
  const sharded =
    kind === 'Prometheus' || (kind === 'PrometheusAgent' && textAt(of, spec.mode, 'mode', 'spec') === null);
  const shards = sharded ? Math.min(Math.max(numberAt(of, spec.shards, 'shards', 'spec') ?? 1, 1), MOST_SHARDS) : 1;
  const out: OperatedPods[] = [];
  for (let shard = 0; shard < shards; shard++) {
    const labels: [string, string][] = [...given, ...selector];
    if (sharded) labels.push(['operator.prometheus.io/shard', `${shard}`]);
    out.push({ labels: internEntries(shared, labels), ports, hostNetwork: extra.hostNetwork });
  }
  return out;
}

function selectorLabels(kind: string, name: string): [string, string][] {
  const common: [string, string][] = [
    ['app.kubernetes.io/managed-by', 'prometheus-operator'],
    ['app.kubernetes.io/instance', name],
  ];
  switch (kind) {
    case 'Prometheus':
      return [
        ...common,
        ['app.kubernetes.io/name', 'prometheus'],
        ['prometheus', name],
        ['operator.prometheus.io/name', name],
      ];
    case 'PrometheusAgent':
      return [...common, ['app.kubernetes.io/name', 'prometheus-agent'], ['operator.prometheus.io/name', name]];
    case 'Alertmanager':
      return [...common, ['app.kubernetes.io/name', 'alertmanager'], ['alertmanager', name]];
    default:
      return [...common, ['app.kubernetes.io/name', 'thanos-ruler'], ['thanos-ruler', name]];
  }
}

function operatorPorts(of: Decoding, kind: string, spec: JsonObject): ContainerPort[] {
  const web = textAt(of, spec.portName, 'portName', 'spec') ?? 'web';
  const local = flagAt(of, spec.listenLocal, 'listenLocal', 'spec') ?? false;
  const reachable = (name: string, port: number): ContainerPort[] => (local ? [] : [tcp(name, port)]);
  const reloader = reachable('reloader-web', 8080);
  switch (kind) {
    case 'Prometheus': {
      const sidecar = Object.hasOwn(spec, 'thanos') && spec.thanos !== null;
      const thanos = sidecar ? [tcp('http', 10902), tcp('grpc', 10901)] : [];
      return [...reachable(web, 9090), ...reloader, ...thanos];
    }
    case 'PrometheusAgent':
      return [...reachable(web, 9090), ...reloader];
    case 'Alertmanager':
      return [
        ...reachable(web, 9093),
        tcp('mesh-tcp', 9094),
        { ...tcp('mesh-udp', 9094), protocol: 'UDP' },
        ...reloader,
      ];
    default:
      return [tcp('grpc', 10901), ...reachable(web, 10902), ...reloader];
  }
}

function tcp(name: string, port: number): ContainerPort {
  return { name, port, protocol: 'TCP', hostPort: null };
}

/** Containers of the spec are merged into the operator's own by name, their ports by number and protocol. */
function withoutTwins(ports: readonly ContainerPort[]): ContainerPort[] {
  const out = new Map<string, ContainerPort>();
  for (const port of ports) out.set(`${port.port}/${port.protocol}`, port);
  return [...out.values()];
}
