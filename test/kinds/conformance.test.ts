/** What every policy kind of the registry must satisfy, whatever it says. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PolicyKind } from '../../src/kinds/kind.ts';
import { POLICY_KINDS } from '../../src/kinds/registry.ts';
import type { Json, JsonObject } from '../../src/manifest/object.ts';
import type { Action, Policy, Rule } from '../../src/model/program.ts';
import { lowerObject, objectOf } from './sample.ts';

const RUNS = { seed: 20_261_121, numRuns: 400 };

/** A policy of each kind that uses every field of its schema. Each new kind must add its own. */
const EXAMPLES: Readonly<Record<string, JsonObject>> = {
  'networking.k8s.io/v1 NetworkPolicy': {
    podSelector: {
      matchLabels: { app: 'web' },
      matchExpressions: [{ key: 'tier', operator: 'In', values: ['a', 'b'] }],
    },
    policyTypes: ['Ingress', 'Egress'],
    ingress: [
      {
        from: [
          { podSelector: { matchLabels: { app: 'db' } }, namespaceSelector: { matchLabels: { team: 'red' } } },
          { ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } },
        ],
        ports: [{ protocol: 'TCP', port: 80, endPort: 90 }, { port: 'http' }],
      },
    ],
    egress: [{ to: [{ namespaceSelector: {} }], ports: [{ protocol: 'UDP', port: 53 }] }],
  },
  'policy.networking.k8s.io/v1alpha1 AdminNetworkPolicy': {
    priority: 10,
    subject: {
      pods: { namespaceSelector: { matchLabels: { team: 'red' } }, podSelector: { matchLabels: { app: 'web' } } },
    },
    ingress: [
      {
        name: 'in',
        action: 'Allow',
        from: [{ namespaces: { matchLabels: { team: 'blue' } } }],
        ports: [{ portNumber: { protocol: 'TCP', port: 80 } }, { portRange: { protocol: 'UDP', start: 1, end: 9 } }],
      },
      { action: 'Pass', from: [{ pods: { namespaceSelector: {}, podSelector: {} } }] },
    ],
    egress: [
      { action: 'Allow', to: [{ domainNames: ['*.example.com'] }] },
      { name: 'out', action: 'Deny', to: [{ networks: ['10.0.0.0/8'] }, { nodes: { matchLabels: { role: 'x' } } }] },
      { action: 'Deny', to: [{ namespaces: {} }], ports: [{ namedPort: 'http' }] },
    ],
  },
  'policy.networking.k8s.io/v1alpha1 BaselineAdminNetworkPolicy': {
    subject: { namespaces: { matchExpressions: [{ key: 'team', operator: 'Exists' }] } },
    ingress: [
      {
        name: 'in',
        action: 'Allow',
        from: [{ namespaces: {} }],
        ports: [{ portNumber: { protocol: 'SCTP', port: 7 } }],
      },
    ],
    egress: [
      { action: 'Deny', to: [{ networks: ['0.0.0.0/0', '::/0'] }], ports: [{ portRange: { start: 1, end: 9 } }] },
    ],
  },
  'policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy': {
    tier: 'Admin',
    priority: 10,
    subject: { pods: { podSelector: { matchLabels: { app: 'web' } } } },
    ingress: [
      {
        name: 'in',
        action: 'Accept',
        from: [{ namespaces: { matchLabels: { team: 'blue' } } }],
        protocols: [{ tcp: { destinationPort: { number: 80 } } }, { destinationNamedPort: 'http' }],
      },
      { action: 'Pass', from: [{ pods: { namespaceSelector: {}, podSelector: {} } }] },
    ],
    egress: [
      { action: 'Accept', to: [{ domainNames: ['*.example.com'] }] },
      {
        name: 'out',
        action: 'Deny',
        to: [{ networks: ['10.0.0.0/8'] }, { nodes: {} }],
        protocols: [
          { udp: { destinationPort: { range: { start: 1, end: 9 } } } },
          { sctp: { destinationPort: { number: 7 } } },
        ],
      },
    ],
  },
};

const IDS = POLICY_KINDS.map((entry) => `${entry.apiVersion} ${entry.kind}`);

function objectWith(entry: PolicyKind, spec: Json, extra: JsonObject = {}): JsonObject {
  const { apiVersion, kind } = entry;
  return {
    apiVersion,
    kind,
    metadata: { name: 'x', ...(entry.namespaced ? { namespace: 'shop' } : {}) },
    spec,
    ...extra,
  };
}

/** A stand-in for decoded manifests: own properties only, with the keys that trip up careless readers. */
const anyKey = fc.oneof(
  fc.string({ maxLength: 8 }),
  fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length', 'spec', 'from', 'to', 'ports'),
);
const anyJson: fc.Arbitrary<Json> = fc.letrec<{ readonly json: Json }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    fc.double(),
    fc.integer({ min: -2, max: 70_000 }),
    fc.string({ maxLength: 8 }),
    fc.constantFrom('Deny', 'Allow', 'Ingress', '10.0.0.0/8', 'TCP', 'http'),
    fc.array(tie('json'), { maxLength: 4 }),
    fc.array(fc.tuple(anyKey, tie('json')), { maxLength: 4 }).map((pairs) => fromPairs(pairs)),
  ),
})).json;

function fromPairs(pairs: readonly (readonly [string, Json])[]): JsonObject {
  const out: Record<string, Json> = {};
  for (const [key, value] of pairs) {
    Object.defineProperty(out, key, { value, enumerable: true, configurable: true, writable: true });
  }
  return out;
}

type Path = readonly (string | number)[];

/** Every place in a value, the value itself included. */
function placesIn(json: Json, at: Path = []): Path[] {
  if (typeof json !== 'object' || json === null) return [at];
  const inner = Array.isArray(json)
    ? json.flatMap((item: Json, index) => placesIn(item, [...at, index]))
    : Object.entries(json).flatMap(([key, value]) => placesIn(value, [...at, key]));
  return [at, ...inner];
}

/** `null` where there is nothing. */
function valueAt(json: Json, path: Path): Json {
  return path.reduce<Json>((at, step) => {
    if (typeof at !== 'object' || at === null) return null;
    return Object.hasOwn(at, step) ? ((at as Readonly<Record<string | number, Json>>)[step] ?? null) : null;
  }, json);
}

function replaced(json: Json, path: Path, value: Json): Json {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  const copy = structuredClone(json) as Record<string | number, Json>;
  copy[step] = replaced(copy[step] ?? null, rest, value);
  return copy as Json;
}

/** Objects inside of a spec whose keys are the schema's, not the user's. */
function objectPlaces(spec: Json): Path[] {
  return placesIn(spec).filter((path) => {
    const value = valueAt(spec, path);
    return typeof value === 'object' && value !== null && !Array.isArray(value) && path.at(-1) !== 'matchLabels';
  });
}

function ruleOf(policy: Policy, field: string): Rule | undefined {
  return policy.rules.find((rule) => rule.origin.field === field);
}

function matchesNothing(rule: Rule): boolean {
  const { peers, traffic } = rule.match;
  return peers.every((peer) => peer.kind === 'nothing') || (traffic !== 'any' && traffic.length === 0);
}

function matchesAnything(rule: Rule): boolean {
  return rule.match.traffic === 'any' && rule.match.peers.some((peer) => peer.kind === 'anything');
}

/** Number of peers and traffic entries that can match something; a list without condition counts as unbounded. */
function width(rule: Rule): number {
  if (matchesNothing(rule)) return 0;
  const peers = rule.match.peers.filter((peer) => peer.kind !== 'nothing').length;
  return rule.match.traffic === 'any' ? Number.POSITIVE_INFINITY : peers + rule.match.traffic.length;
}

test('every kind of the registry has an example', () => expect(Object.keys(EXAMPLES).sort()).toEqual([...IDS].sort()));

describe.each(POLICY_KINDS)('$apiVersion $kind', (entry) => {
  const example = EXAMPLES[`${entry.apiVersion} ${entry.kind}`] as JsonObject;
  const lower = (spec: Json, extra: JsonObject = {}): ReturnType<typeof lowerObject> =>
    lowerObject(objectOf(objectWith(entry, spec, extra)));

  test('its example is accepted by its validation and understood by its lowering', () => {
    const object = objectOf(objectWith(entry, example));
    const named =
      entry.kind === 'BaselineAdminNetworkPolicy'
        ? { ...object, value: { ...object.value, metadata: { name: 'default' } } }
        : object;
    const errors = entry.validate(named).filter(({ severity }) => severity === 'error');
    expect(errors.map(({ message }) => message)).toEqual([]);
    expect(lower(example).diagnostics).toEqual([]);
  });

  test('every rule says where it comes from', () => {
    const { policy } = lower(example);
    const count = ['ingress', 'egress'].reduce((sum, key) => sum + (example[key] as readonly Json[]).length, 0);
    expect(policy.rules).toHaveLength(count);
    for (const rule of policy.rules) {
      expect(rule.origin.field).toBe(`spec.${rule.direction}[${rule.index}]`);
      expect(rule.origin.object).toBe(policy.origin.object);
    }
  });

  test.each(objectPlaces(EXAMPLES[`${entry.apiVersion} ${entry.kind}`] as JsonObject).map((path) => [path.join('.')]))(
    'S1.9 an unknown field in spec.%s closes and is said',
    (joined) => {
      const path = joined === '' ? [] : joined.split('.').map((step) => (/^\d+$/.test(step) ? Number(step) : step));
      const before = lower(example).policy;
      const spec = replaced(example, path, { ...(valueAt(example, path) as JsonObject), unheardOf: 1 });
      const { policy, diagnostics } = lower(spec);
      const text = path.reduce<string>(
        (at, step) => (typeof step === 'number' ? `${at}[${step}]` : `${at}.${step}`),
        'spec',
      );
      expect(diagnostics.map(({ severity, origin }) => [severity, origin?.field])).toEqual([
        ['error', `${text}.unheardOf`],
      ]);

      const [part, index] = path;
      if (part === 'ingress' || part === 'egress') {
        const field = `spec.${part}[${index}]`;
        const was = ruleOf(before, field) as Rule;
        const now = ruleOf(policy, field) as Rule;
        if (was.action === 'allow') expect([now.action, width(now) < width(was)]).toEqual(['allow', true]);
        else expect([now.action, matchesAnything(now)]).toEqual(['deny', true]);
        expect(policy.rules.filter((rule) => rule !== now)).toEqual(before.rules.filter((rule) => rule !== was));
      } else if (part === 'subject' || part === 'podSelector') {
        expect(policy.rules.filter((rule) => rule.action === 'pass')).toEqual([]);
        expect(policy.rules.filter((rule) => rule.action === 'allow').every(matchesNothing)).toBe(true);
        expect(policy.subject).toMatchObject({ kind: 'pods', pods: { kind: 'everything' } });
      } else {
        const ends = (direction: string): boolean =>
          policy.isolates.includes(direction as 'ingress') ||
          policy.rules.some((rule) => rule.direction === direction && rule.action === 'deny' && matchesAnything(rule));
        expect([ends('ingress'), ends('egress')]).toEqual([true, true]);
      }
    },
  );

  test('S1.9 an unknown field beside the spec closes both directions', () => {
    const { policy, diagnostics } = lower(example, { sepc: {} });
    expect(diagnostics.map(({ origin }) => origin?.field)).toEqual(['sepc']);
    for (const direction of ['ingress', 'egress'] as const) {
      const last = policy.rules.filter((rule) => rule.direction === direction).at(-1);
      expect(policy.isolates.includes(direction) || (last?.action === 'deny' && matchesAnything(last))).toBe(true);
    }
  });

  const places = placesIn(example);
  const mutated = fc
    .array(fc.tuple(fc.constantFrom(...places), anyJson), { minLength: 1, maxLength: 3 })
    .map((changes) => {
      let spec: Json = example;
      for (const [path, value] of changes) {
        const parent = valueAt(spec, path.slice(0, -1));
        if (path.length === 0 || (typeof parent === 'object' && parent !== null)) spec = replaced(spec, path, value);
      }
      return spec;
    });

  test('lowering any value at all gives a policy, and the same one each time', () => {
    const actions: readonly Action[] = ['allow', 'deny', 'pass'];
    fc.assert(
      fc.property(fc.oneof(anyJson, mutated), (spec) => {
        const first = lower(spec);
        expect(lower(structuredClone(spec))).toEqual(first);
        for (const rule of first.policy.rules) {
          expect(actions).toContain(rule.action);
          expect(rule.origin.field.startsWith('spec')).toBe(true);
        }
        for (const { severity, message, origin } of first.diagnostics) {
          expect(['error', 'warning']).toContain(severity);
          expect(message).not.toBe('');
          expect(origin).not.toBeNull();
        }
      }),
      RUNS,
    );
  });

  test('validating any value at all never throws', () => {
    fc.assert(
      fc.property(fc.oneof(anyJson, mutated), (spec) => {
        entry.validate(objectOf(objectWith(entry, spec)));
      }),
      RUNS,
    );
  });

  test('nothing that is replaced by an unreadable value opens anything silently', () => {
    fc.assert(
      fc.property(fc.constantFrom(...places), (path) => {
        // A number is no legal value of an object, a list or a selector; an object is none of a number or a text.
        const old = valueAt(example, path);
        const { policy, diagnostics } = lower(replaced(example, path, typeof old === 'object' ? 4711 : { odd: true }));
        expect(diagnostics.some(({ severity }) => severity === 'error')).toBe(true);
        const was = lower(example).policy;
        for (const rule of policy.rules) {
          if (rule.action === 'deny') continue;
          const before = ruleOf(was, rule.origin.field);
          expect(before).toBeDefined();
          expect(rule.action).toBe(before?.action);
          expect(width(rule)).toBeLessThanOrEqual(before === undefined ? -1 : width(before));
        }
      }),
      { seed: RUNS.seed, numRuns: 300 },
    );
  });

  test('a value nested a hundred thousand levels deep is no trouble', () => {
    let deep: Json = {};
    for (let level = 0; level < 100_000; level++) deep = level % 2 === 0 ? [deep] : { from: deep };
    for (const path of places) lower(replaced(example, path, deep));
  });
});
