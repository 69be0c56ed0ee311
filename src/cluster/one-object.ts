import type { Ip } from '../base/ip.ts';
import type { Json, JsonObject } from '../manifest/object.ts';
import type { Namespace, Node, Pod } from '../model/cluster.ts';
import { type Decoding, element, listAt, objectAt, refused, textAt } from './decode.ts';
import { type Interner, internEntries, internLabels } from './intern.ts';
import { addressOf, distinct, labelsJson, podAddresses, podNetwork } from './pod-spec.ts';

const NAME_LABEL = 'kubernetes.io/metadata.name';

/** Reads one Namespace; `null`, with a diagnostic, if a field cannot be decoded. */
export function namespaceOf(shared: Interner, of: Decoding): Namespace | null {
  const written = internLabels(shared, of, labelsJson(of), 'metadata.labels');
  if (refused(of)) return null;
  const { name } = of.object.ref;
  // S1.1: API servers set this label on every namespace, whatever the object says.
  const labels = internEntries(shared, [...written, [NAME_LABEL, name]]);
  return { name, labels, origin: { object: of.object.ref, field: '' } };
}

/** A namespace that only other objects mention: all that is known of its labels is its name. */
export function namedNamespace(shared: Interner, name: string): Namespace {
  return { name, labels: internEntries(shared, [[NAME_LABEL, name]]), origin: null };
}

/** Reads one Node; `null`, with a diagnostic, if a field cannot be decoded. */
export function nodeOf(shared: Interner, of: Decoding): Node | null {
  const labels = internLabels(shared, of, labelsJson(of), 'metadata.labels');
  const status = objectAt(of, of.object.value.status, 'status', '');
  const list = listAt(of, status.addresses, 'addresses', 'status');
  const addresses = list.map((_, i): Ip | null => nodeAddress(of, list, i));
  if (refused(of)) return null;
  const origin = { object: of.object.ref, field: '' };
  return { name: of.object.ref.name, labels, addresses: distinct(addresses), origin };
}

function nodeAddress(of: Decoding, list: readonly Json[], i: number): Ip | null {
  const at = `status.addresses[${i}]`;
  const json: JsonObject = element(of, list, i, at);
  const type = textAt(of, json.type, 'type', at);
  const text = textAt(of, json.address, 'address', at);
  return type === 'InternalIP' || type === 'ExternalIP' ? addressOf(of, text, `${at}.address`) : null;
}

/** What one Pod object says; whether it can be decoded is for the caller to ask (`refused`). */
export interface PodReading {
  readonly pod: Pod;
  /** It has run to its end, so it holds no address any more. */
  readonly finished: boolean;
}

/** Reads one Pod, with the addresses that its own status has; a field that cannot be decoded counts as absent. */
export function podOf(shared: Interner, of: Decoding, namespace: string): PodReading {
  const labels = internLabels(shared, of, labelsJson(of), 'metadata.labels');
  const network = podNetwork(shared, of, objectAt(of, of.object.value.spec, 'spec', ''), 'spec');
  const status = objectAt(of, of.object.value.status, 'status', '');
  const phase = textAt(of, status.phase, 'phase', 'status');
  const pod: Pod = {
    namespace,
    name: of.object.ref.name,
    labels,
    ports: network.ports,
    addresses: podAddresses(of, status, network.hostNetwork),
    hostNetwork: network.hostNetwork,
    node: network.node,
    template: false,
    origin: { object: of.object.ref, field: '' },
  };
  return { pod, finished: phase === 'Succeeded' || phase === 'Failed' };
}
