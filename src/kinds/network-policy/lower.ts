import type { Json, JsonObject, KubeObject } from '../../manifest/object.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { type EndpointMatch, MATCH_NOTHING, type Match, type TrafficMatch } from '../../model/match.ts';
import { objectId } from '../../model/origin.ts';
import { DIRECTIONS, type Direction, type Rule } from '../../model/program.ts';
import { EVERYTHING, type Selector } from '../../model/selector.ts';
import {
  complain,
  type Decoding,
  get,
  isList,
  isObject,
  originOf,
  show,
  startDecoding,
  unknownFields,
  withEffect,
} from '../decoding.ts';
import type { Fragment } from '../kind.ts';
import { decodeLabelSelector } from '../label-selector.ts';
import { decodePeer, decodePort, namespaceOf } from './decode.ts';

const TYPE: Readonly<Record<Direction, string>> = { ingress: 'Ingress', egress: 'Egress' };
const PEERS: Readonly<Record<Direction, string>> = { ingress: 'from', egress: 'to' };

/** Lowers a `networking.k8s.io/v1` NetworkPolicy (S2): allow rules only, isolation by `policyTypes`. */
export function lowerNetworkPolicy(object: KubeObject): {
  readonly fragment: Fragment;
  readonly diagnostics: readonly Diagnostic[];
} {
  const decoding = startDecoding(object);
  const shape = withEffect(decoding, 'the policy isolates its pods in both directions', () =>
    decodeShape(decoding, object.value),
  );
  const { spec } = shape;
  const subject = spec === null ? null : decodeSubject(decoding, spec, shape.odd);
  const types = spec === null ? { isolates: DIRECTIONS, ruled: [] } : decodeTypes(decoding, spec);
  const rules =
    spec === null ? [] : types.ruled.flatMap((direction) => decodeRules(decoding, spec, direction, subject !== null));
  return {
    fragment: {
      slot: 'networkpolicy',
      policy: {
        id: objectId(object.ref),
        subject: {
          kind: 'pods',
          namespaces: { kind: 'named', name: namespaceOf(decoding) },
          pods: subject ?? EVERYTHING,
        },
        isolates: shape.odd ? DIRECTIONS : types.isolates,
        rules,
        rank: 0,
        origin: originOf(decoding, ''),
      },
    },
    diagnostics: decoding.diagnostics,
  };
}

/** The spec (`null` if it is no object) and whether there are fields outside of its schema. */
function decodeShape(
  decoding: Decoding,
  value: JsonObject,
): { readonly spec: JsonObject | null; readonly odd: boolean } {
  const odd = unknownFields(decoding, value, ['apiVersion', 'kind', 'metadata', 'spec', 'status'], '').length > 0;
  const spec = get(value, 'spec') ?? {};
  if (!isObject(spec)) {
    complain(decoding, 'wrong-type', 'spec', `must be an object, not ${show(spec)}`);
    return { spec: null, odd: true };
  }
  const known = ['podSelector', 'policyTypes', 'ingress', 'egress'];
  return { spec, odd: unknownFields(decoding, spec, known, 'spec').length > 0 || odd };
}

/** `null` if it cannot be understood: then all pods of the namespace are isolated and nothing is allowed. */
function decodeSubject(decoding: Decoding, spec: JsonObject, odd: boolean): Selector | null {
  const effect = 'the policy isolates every pod of its namespace and allows nothing';
  return withEffect(decoding, effect, () => {
    const json = get(spec, 'podSelector');
    // The unknown field may be the misspelt selector; without it the rules would open every pod of the namespace.
    if (json === undefined && odd) {
      complain(decoding, 'bad-subject', 'spec', 'no `podSelector`, next to a field that is not known');
      return null;
    }
    return json === undefined ? EVERYTHING : decodeLabelSelector(decoding, json, 'spec.podSelector');
  });
}

/** In which directions the policy isolates, and in which its rules count (S2.3, S2.4). */
function decodeTypes(
  decoding: Decoding,
  spec: JsonObject,
): { readonly isolates: readonly Direction[]; readonly ruled: readonly Direction[] } {
  const types = get(spec, 'policyTypes') ?? [];
  if (isList(types) && types.length === 0) {
    const egress = get(spec, 'egress') ?? [];
    const directions = isList(egress) && egress.length === 0 ? DIRECTIONS.slice(0, 1) : DIRECTIONS;
    return { isolates: directions, ruled: directions };
  }
  return withEffect(decoding, 'the policy isolates its pods in both directions', () => {
    if (!isList(types)) {
      complain(decoding, 'wrong-type', 'spec.policyTypes', `must be a list, not ${show(types)}`);
      return { isolates: DIRECTIONS, ruled: [] };
    }
    const ruled = DIRECTIONS.filter((direction) => types.includes(TYPE[direction]));
    let understood = true;
    for (const [index, type] of types.entries()) {
      if (type === 'Ingress' || type === 'Egress') continue;
      const path = `spec.policyTypes[${index}]`;
      complain(decoding, 'bad-policy-type', path, `${show(type)} is not one of \`Ingress\`, \`Egress\``);
      understood = false;
    }
    return { isolates: understood ? ruled : DIRECTIONS, ruled };
  });
}

function decodeRules(decoding: Decoding, spec: JsonObject, direction: Direction, open: boolean): Rule[] {
  const list = get(spec, direction) ?? [];
  const path = `spec.${direction}`;
  if (!isList(list)) {
    withEffect(decoding, `no ${direction} is allowed`, () =>
      complain(decoding, 'wrong-type', path, `must be a list, not ${show(list)}`),
    );
    return [];
  }
  return list.map((json, index) => {
    const field = `${path}[${index}]`;
    const match = withEffect(decoding, 'this rule allows nothing', () => decodeRule(decoding, json, direction, field));
    return {
      direction,
      index,
      name: null,
      match: open ? (match ?? MATCH_NOTHING) : MATCH_NOTHING,
      action: 'allow',
      log: false,
      origin: originOf(decoding, field),
    };
  });
}

function decodeRule(decoding: Decoding, json: Json, direction: Direction, path: string): Match | null {
  if (!isObject(json)) {
    complain(decoding, 'wrong-type', path, `a rule must be an object, not ${show(json)}`);
    return null;
  }
  const field = PEERS[direction];
  if (unknownFields(decoding, json, [field, 'ports'], path).length > 0) return null;
  const from = get(json, field) ?? [];
  const ports = get(json, 'ports') ?? [];
  if (!isList(from)) {
    complain(decoding, 'wrong-type', `${path}.${field}`, `must be a list, not ${show(from)}`);
    return null;
  }
  if (!isList(ports)) {
    complain(decoding, 'wrong-type', `${path}.ports`, `must be a list, not ${show(ports)}`);
    return null;
  }
  const peers: EndpointMatch[] = withEffect(decoding, 'this peer matches nothing', () =>
    from.map((peer, index) => decodePeer(decoding, peer, `${path}.${field}[${index}]`)),
  );
  const traffic: TrafficMatch[] = withEffect(decoding, 'this entry matches nothing', () =>
    ports.map((port, index) => decodePort(decoding, port, `${path}.ports[${index}]`)).filter((entry) => entry !== null),
  );
  return {
    peers: peers.length === 0 ? [{ kind: 'anything' }] : peers,
    traffic: ports.length === 0 ? 'any' : traffic,
  };
}
