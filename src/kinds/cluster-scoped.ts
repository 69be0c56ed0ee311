import type { Json, JsonObject, KubeObject } from '../manifest/object.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import { type EndpointMatch, MATCH_ANYTHING, MATCH_NOTHING, type Match, type TrafficMatch } from '../model/match.ts';
import { objectId } from '../model/origin.ts';
import { type Action, DIRECTIONS, type Direction, type Rule } from '../model/program.ts';
import { EVERYTHING } from '../model/selector.ts';
import { decodeClusterPeers, decodeClusterSubject, type PeerDialect } from './cluster-peers.ts';
import type { TrafficEntry } from './cluster-ports.ts';
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
} from './decoding.ts';
import type { Fragment, TierSlot } from './kind.ts';

/** In what the cluster-scoped kinds of `policy.networking.k8s.io` differ. */
export interface ClusterDialect extends PeerDialect {
  /** Fields of the spec besides `subject`, `ingress` and `egress`. */
  readonly fields: readonly string[];
  readonly actions: ReadonlyMap<string, Action>;
  /** Slot and rank; `null`, with diagnostics, if they cannot be understood. */
  place(decoding: Decoding, spec: JsonObject): { readonly slot: TierSlot; readonly rank: number } | null;
  readonly trafficField: 'ports' | 'protocols';
  /** Whether an empty list of traffic is storable and then means all traffic. */
  readonly emptyTrafficIsAny: boolean;
  /** One entry of the traffic list; `null`, with diagnostics, if it is not understood. */
  traffic(decoding: Decoding, json: Json, path: string): TrafficEntry | null;
}

const PEERS: Readonly<Record<Direction, string>> = { ingress: 'from', egress: 'to' };
const EVERY_POD: EndpointMatch = {
  kind: 'pods',
  namespaces: { kind: 'labelled', labels: EVERYTHING },
  pods: EVERYTHING,
};

/** How far the parts of a policy outside of its rules are understood. */
interface Standing {
  /** Subject, tier and priority are understood. Otherwise allow and pass rules must not open anything. */
  readonly sound: boolean;
  /** Unknown fields around the rules: what no rule decides is denied (S3.16). */
  readonly odd: string | null;
}

/** Lowers a policy of one of the cluster-scoped kinds (S3, S4): ordered rules, no isolation. */
export function lowerClusterScoped(
  object: KubeObject,
  dialect: ClusterDialect,
): { readonly fragment: Fragment; readonly diagnostics: readonly Diagnostic[] } {
  const decoding = startDecoding(object);
  const { spec, odd } = withEffect(decoding, 'what no rule of the policy decides is denied for its subject', () =>
    decodeShape(decoding, object.value, dialect),
  );
  const unsound = 'allow rules of the policy match nothing, pass rules deny, and it applies to every pod';
  const subject = withEffect(decoding, unsound, () => decodeClusterSubject(decoding, get(spec, 'subject'), dialect));
  const place = withEffect(decoding, 'allow rules of the policy match nothing and pass rules deny', () =>
    dialect.place(decoding, spec),
  );
  const standing: Standing = { sound: subject !== null && place !== null, odd };
  return {
    fragment: {
      slot: place?.slot ?? 'admin',
      policy: {
        id: objectId(object.ref),
        subject: subject ?? EVERY_POD,
        isolates: [],
        rules: DIRECTIONS.flatMap((direction) => decodeRules(decoding, spec, direction, dialect, standing)),
        rank: place?.rank ?? 0,
        origin: originOf(decoding, ''),
      },
    },
    diagnostics: decoding.diagnostics,
  };
}

/** The spec, and the path of the first field around the rules that the schema does not have (`null` if none). */
function decodeShape(
  decoding: Decoding,
  value: JsonObject,
  dialect: ClusterDialect,
): { readonly spec: JsonObject; readonly odd: string | null } {
  const [outer] = unknownFields(decoding, value, ['apiVersion', 'kind', 'metadata', 'spec', 'status'], '');
  const spec = get(value, 'spec');
  if (!isObject(spec)) {
    complain(decoding, 'wrong-type', 'spec', `must be an object, not ${show(spec)}`);
    return { spec: {}, odd: 'spec' };
  }
  const [inner] = unknownFields(decoding, spec, ['subject', 'ingress', 'egress', ...dialect.fields], 'spec');
  return { spec, odd: inner === undefined ? (outer ?? null) : `spec.${inner}` };
}

function decodeRules(
  decoding: Decoding,
  spec: JsonObject,
  direction: Direction,
  dialect: ClusterDialect,
  standing: Standing,
): Rule[] {
  const json = get(spec, direction) ?? [];
  const path = `spec.${direction}`;
  const list = isList(json) ? json : [];
  const rules = list.map((item, index) => {
    const field = `${path}[${index}]`;
    return hold(decodeRule(decoding, item, { direction, index, field }, dialect), standing);
  });
  if (!isList(json)) {
    withEffect(decoding, `all ${direction} is denied for the subject`, () =>
      complain(decoding, 'wrong-type', path, `must be a list, not ${show(json)}`),
    );
    rules.push(denial(decoding, { direction, index: 0, field: path }));
  } else if (standing.odd !== null) {
    rules.push(denial(decoding, { direction, index: list.length, field: standing.odd }));
  }
  return rules;
}

/** Keeps a policy whose subject or place is not understood from opening anything. */
function hold(rule: Rule, standing: Standing): Rule {
  if (standing.sound || rule.action === 'deny') return rule;
  return rule.action === 'allow' ? { ...rule, match: MATCH_NOTHING } : { ...rule, action: 'deny' };
}

interface Place {
  readonly direction: Direction;
  readonly index: number;
  readonly field: string;
}

function denial(decoding: Decoding, place: Place): Rule {
  return ruleOf(decoding, place, null, 'deny', MATCH_ANYTHING);
}

function ruleOf(decoding: Decoding, place: Place, name: string | null, action: Action, match: Match): Rule {
  const { direction, index, field } = place;
  return { direction, index, name, match, action, log: false, origin: originOf(decoding, field) };
}

function decodeRule(decoding: Decoding, json: Json, place: Place, dialect: ClusterDialect): Rule {
  const { field } = place;
  const closed = 'this rule denies everything for its subject';
  if (!isObject(json)) {
    withEffect(decoding, closed, () =>
      complain(decoding, 'wrong-type', field, `a rule must be an object, not ${show(json)}`),
    );
    return denial(decoding, place);
  }
  const named = get(json, 'name');
  const name = typeof named === 'string' ? named : null;
  const word = get(json, 'action');
  const action = typeof word === 'string' ? dialect.actions.get(word) : undefined;
  if (action === undefined) {
    const known = [...dialect.actions.keys()].map((each) => `\`${each}\``).join(', ');
    withEffect(decoding, closed, () =>
      complain(decoding, 'bad-action', `${field}.action`, `${show(word)} is not one of ${known}`),
    );
    return ruleOf(decoding, place, name, 'deny', MATCH_ANYTHING);
  }
  const effect = action === 'allow' ? 'this rule matches nothing' : closed;
  const match = withEffect(decoding, effect, () => decodeMatch(decoding, json, place, dialect, action));
  if (match !== null) return ruleOf(decoding, place, name, action, match);
  return action === 'allow'
    ? ruleOf(decoding, place, name, 'allow', MATCH_NOTHING)
    : ruleOf(decoding, place, name, 'deny', MATCH_ANYTHING);
}

/** `null` if any part is not understood: then the whole rule fails closed (S3.4). */
function decodeMatch(
  decoding: Decoding,
  json: JsonObject,
  place: Place,
  dialect: ClusterDialect,
  action: Action,
): Match | null {
  const { direction, field } = place;
  const from = PEERS[direction];
  const known = ['action', 'name', from, dialect.trafficField];
  let understood = unknownFields(decoding, json, known, field).length === 0;
  const named = get(json, 'name');
  if (named !== undefined && typeof named !== 'string') {
    complain(decoding, 'wrong-type', `${field}.name`, `must be a string, not ${show(named)}`);
    understood = false;
  }

  const peers = decodeClusterPeers(decoding, get(json, from), `${field}.${from}`, direction, dialect);
  if (peers === null) understood = false;
  if (action !== 'allow' && peers?.some((peer) => peer.kind === 'domains') === true) {
    complainOfDomains(decoding, get(json, from), `${field}.${from}`);
    understood = false;
  }

  const traffic = decodeTraffic(decoding, get(json, dialect.trafficField), field, dialect);
  if (!understood || peers === null || traffic === null) return null;
  const fields = { peers: peerFields(get(json, from), from), traffic: traffic.fields };
  const moved = fields.peers.some((one) => one.includes('.')) || fields.traffic.length !== listLength(json, dialect);
  return { peers, traffic: traffic.entries, ...(moved ? { fields } : {}) };
}

function listLength(json: JsonObject, dialect: ClusterDialect): number {
  const list = get(json, dialect.trafficField);
  return isList(list) ? list.length : 0;
}

/** Where each peer stands: an entry of `networks` is one peer for each of its blocks. */
function peerFields(json: Json | undefined, from: string): readonly string[] {
  return (isList(json) ? json : []).flatMap((peer, index) => {
    const networks = isObject(peer) ? get(peer, 'networks') : undefined;
    const field = `${from}[${index}]`;
    return isList(networks) ? networks.map((_, at) => `${field}.networks[${at}]`) : [field];
  });
}

/** S3.15: the API means domain names for allow rules only, and its schema does not say so. */
function complainOfDomains(decoding: Decoding, json: Json | undefined, path: string): void {
  for (const [index, peer] of isList(json) ? json.entries() : []) {
    if (!isObject(peer) || get(peer, 'domainNames') === undefined) continue;
    const message = 'domain names select peers of rules that allow only';
    complain(decoding, 'domain-under-deny', `${path}[${index}].domainNames`, message, 'deny addresses instead');
  }
}

function decodeTraffic(
  decoding: Decoding,
  json: Json | undefined,
  field: string,
  dialect: ClusterDialect,
): { readonly entries: Match['traffic']; readonly fields: readonly string[] } | null {
  const any = { entries: 'any', fields: [] } as const;
  if (json === undefined) return any;
  const path = `${field}.${dialect.trafficField}`;
  if (!isList(json)) {
    complain(decoding, 'wrong-type', path, `must be a list, not ${show(json)}`);
    return null;
  }
  if (json.length === 0) {
    if (dialect.emptyTrafficIsAny) return any;
    complain(decoding, 'bad-port', path, 'must have at least one entry');
    return null;
  }
  const entries: TrafficMatch[] = [];
  const fields: string[] = [];
  let understood = true;
  for (const [index, item] of json.entries()) {
    const entry = dialect.traffic(decoding, item, `${path}[${index}]`);
    if (entry === null) understood = false;
    else if (entry.kind !== 'nothing') {
      entries.push(entry);
      fields.push(`${dialect.trafficField}[${index}]`);
    }
  }
  return understood ? { entries, fields } : null;
}

/** A priority from 0 to 1000, lower first. */
export function decodePriority(decoding: Decoding, spec: JsonObject): number | null {
  const priority = get(spec, 'priority');
  if (typeof priority === 'number' && Number.isInteger(priority) && priority >= 0 && priority <= 1000) {
    return priority;
  }
  complain(decoding, 'bad-rank', 'spec.priority', `${show(priority)} is not a number from 0 to 1000`);
  return null;
}
