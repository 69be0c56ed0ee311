/** Flows to ask about in a generated cluster: most of them where policies have a say. */
import { factsOf } from '../../src/engine/match.ts';
import { familiesOf } from '../../src/engine/reference.ts';
import type { Input } from '../../src/input/input.ts';
import type { Endpoint, Flow } from '../../src/model/flow.ts';
import type { Dice } from '../manifest/mutations.ts';
import { PORTS, PROTOCOLS } from './generators.ts';
import { endpointsOf } from './world.ts';

const pick = <T>(roll: Dice, list: readonly T[]): T => list[roll(list.length)] as T;

/** `count` flows of a cluster; equal dice give equal flows. */
export function* flowsOf(input: Input, roll: Dice, count: number): Generator<Flow> {
  const endpoints = endpointsOf(input);
  const facts = factsOf(input.cluster);
  const meetable = (source: Endpoint, destination: Endpoint): boolean =>
    familiesOf({ source, destination, protocol: 'TCP', port: 1, family: null, viaService: false }, facts).length > 0;
  const pods = endpoints.filter((one) => one.kind === 'pod' && !one.pod.hostNetwork);
  const declared = pods.flatMap((one) => (one.kind === 'pod' ? one.pod.ports : []));
  for (let i = 0; i < count; i++) {
    let source = pick(roll, roll(6) > 0 && pods.length > 0 ? pods : endpoints);
    let destination = pick(roll, roll(3) > 0 && pods.length > 0 ? pods : endpoints);
    if (roll(2) === 0) [source, destination] = [destination, source];
    if (roll(50) === 0) destination = source;
    // Policies have no say between two ends outside of them.
    if (!pods.includes(source) && !pods.includes(destination) && roll(8) > 0) destination = pick(roll, endpoints);
    if (destination === source && roll(2) > 0) destination = pick(roll, endpoints);
    for (let again = 0; again < 3 && !meetable(source, destination); again++) destination = pick(roll, endpoints);
    const icmp = roll(20) === 0;
    const port = declared.length > 0 && roll(3) === 0 ? pick(roll, declared) : null;
    yield {
      source,
      destination,
      protocol: icmp ? 'ICMP' : (port?.protocol ?? (roll(2) === 0 ? 'TCP' : pick(roll, PROTOCOLS))),
      port: icmp ? null : (port?.port ?? pick(roll, PORTS)),
      family: roll(8) === 0 ? pick(roll, [4, 6] as const) : null,
      viaService: roll(4) === 0,
    };
  }
}

/** An endpoint in words that identify it. */
export function wordEndpoint(endpoint: Endpoint): string {
  switch (endpoint.kind) {
    case 'pod':
      return `${endpoint.pod.namespace}/${endpoint.pod.name}`;
    case 'node':
      return `node/${endpoint.node.name}`;
    case 'external':
      return `${endpoint.address.family === 4 ? 'ip4' : 'ip6'}/${endpoint.address.value.toString(16)}`;
    case 'domain':
      return endpoint.name;
  }
}

/** A flow in words that identify it. */
export function wordFlow(flow: Flow): string {
  const { source, destination, protocol, port, family, viaService } = flow;
  const extra = `${family === null ? '' : ` over IPv${family}`}${viaService ? ' via a Service' : ''}`;
  return `${wordEndpoint(source)} -> ${wordEndpoint(destination)} ${protocol} ${port ?? ''}${extra}`;
}
