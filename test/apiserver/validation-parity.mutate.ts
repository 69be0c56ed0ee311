import type { Json, JsonObject } from '../../src/manifest/object.ts';

/** Numbers in [0, 1) that are the same in every run (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Step = string | number;

const WRONG: readonly Json[] = [
  null,
  true,
  0,
  -1,
  1.5,
  7,
  5_000_000_000,
  1e20,
  1e-7,
  '',
  'x',
  'Ünï"<c>\u0007\\',
  [],
  [null],
  ['x', 1],
  {},
  { a: 'b' },
  { a: { b: [1] } },
  [[{}]],
];

const CIDRS: readonly Json[] = [
  '10.1.2.3/8',
  '10.0.0.0',
  '10.0.0.0/33',
  '010.0.0.0/8',
  '10.0.0.0/08',
  '10.0.0/8',
  '10.1.0.0/16',
  '10.0.0.0/8',
  '0.0.0.0/0',
  '::/0',
  '::ffff:10.0.0.0/104',
  '::ffff:10.0.0.0/90',
  '::ffff:10.1.2.3/120',
  '2001:DB8::/32',
  '2001:db8:0:0:0:0:0:0/32',
  '2001:db8::1/32',
  '2001:db8::/129',
  '2001:db8::00001/128',
  'fe80::1%eth0/64',
  '1:2:3:4:5:6:7:8::/64',
  '1.2.3.4/32',
  '10.0.0.0/-1',
  '10.0.0.0/8/8',
  ' 10.0.0.0/8',
  '2001:0db8:aaaa:bbbb:cccc:dddd:eeee:ffff/00000128',
  'not-a-cidr',
];

const NAMES: readonly Json[] = [
  'a',
  'A',
  '-a',
  'a-',
  'a.b',
  'a..b',
  'a_b',
  `${'a'.repeat(63)}`,
  `${'a'.repeat(64)}`,
  `${'a'.repeat(253)}`,
  `${'a'.repeat(254)}`,
  'ä',
  'a/b',
  'a/b/c',
  '/b',
  'a/',
  'Ex.com/b',
];

const PORTS: readonly Json[] = [
  0,
  1,
  65535,
  65536,
  -1,
  80,
  '80',
  'http',
  'HTTP',
  'a--b',
  '-a',
  'a-',
  '',
  '0123456789abcdef',
  'a b',
  2 ** 31,
  1.5,
];

/** Values worth trying in fields of that name. */
const BY_NAME: Readonly<Record<string, readonly Json[]>> = {
  cidr: CIDRS,
  except: CIDRS,
  networks: CIDRS,
  domainNames: [
    'example.com',
    '*.example.com',
    '*.*.example.com',
    'a.*.com',
    '*',
    'com',
    'com.',
    'a_b.com',
    '_a.com',
    'a.b..',
    '-a.com',
    'Ä.com',
    'EXAMPLE.com',
    'a-.com',
    '',
  ],
  port: PORTS,
  endPort: PORTS,
  number: PORTS,
  start: PORTS,
  end: PORTS,
  namedPort: PORTS,
  destinationNamedPort: PORTS,
  protocol: ['TCP', 'UDP', 'SCTP', 'tcp', 'ICMP', '', '6', 'A&B'],
  priority: [0, 1000, 1001, -1, 5_000_000_000, '10', 1.5],
  tier: ['Admin', 'Baseline', 'admin', 'NetworkPolicy', '', 65],
  action: ['Allow', 'Accept', 'Deny', 'Pass', 'deny', 'Log', ''],
  policyTypes: ['Ingress', 'Egress', 'ingress', 'Both', ''],
  operator: ['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'in', '', 'A&B'],
  name: ['x'.repeat(100), 'x'.repeat(101), 'ü'.repeat(100), 'ü'.repeat(101), ...NAMES],
  generateName: [...NAMES, 'a--', 'ab--', '-'],
  namespace: ['shop'],
  key: NAMES,
  values: NAMES,
  matchLabels: NAMES,
  labels: NAMES,
  sameLabels: NAMES,
  notSameLabels: NAMES,
  finalizers: ['kubernetes', 'orphan', 'foregroundDeletion', 'example.com/x', 'x', 'A B', ''],
  apiVersion: ['v1', 'apps/v1', 'a/b/c', '/', '', 'apps/'],
  creationTimestamp: ['2024-01-01T00:00:00Z', '2024-01-01', '2024-02-30T00:00:00Z', '2024-01-01T00:00:00.5+02:00'],
};

/** Fields that exist somewhere; one of them where it does not belong makes two-field unions and unknown fields. */
const EXTRA: readonly (readonly [string, Json])[] = [
  ['futureField', { x: 'y' }],
  ['namespaces', {}],
  ['pods', { podSelector: {}, namespaceSelector: {} }],
  ['podSelector', {}],
  ['namespaceSelector', {}],
  ['ipBlock', { cidr: '10.0.0.0/8' }],
  ['nodes', {}],
  ['networks', ['10.0.0.0/8', '10.0.0.0/8']],
  ['domainNames', ['example.com', 'example.com', 'example.com']],
  ['namedPort', 'web'],
  ['destinationNamedPort', 'web'],
  ['portNumber', { port: 80 }],
  ['portRange', { start: 9, end: 1 }],
  ['range', { start: 9, end: 9 }],
  ['number', 80],
  ['tcp', { destinationPort: { number: 80 } }],
  ['protocol', 'TCP'],
  ['endPort', 100],
  ['port', 'web'],
  ['values', ['a']],
  ['matchLabels', { 'bad key': 'bad value!' }],
  ['spec', {}],
  ['status', { conditions: [{ type: 'x', foo: 1 }], foo: 2 }],
  ['__proto__', { x: 1 }],
  ['constructor', 'x'],
  ['a.b', {}],
];

/** Copies of `seed`: every value worth trying, in every place of its name, one at a time. */
export function everyKnownValue(seed: JsonObject): JsonObject[] {
  return pathsOf(seed).flatMap((path) => {
    if (path.length === 1 || typeof valueAt(seed, path) === 'object') return [];
    return knownFor(path).map((value) => replace(seed, path, () => value) as JsonObject);
  });
}

function valueAt(value: Json, path: readonly Step[]): Json {
  return path.reduce<Json>((at, step) => (at as Record<Step, Json>)[step] ?? null, value);
}

function knownFor(path: readonly Step[]): readonly Json[] {
  const name = path.findLast((step) => typeof step === 'string' && Object.hasOwn(BY_NAME, step));
  return BY_NAME[String(name)] ?? [];
}

/** A copy of `seed` with one to three things done to it; `seed` is not changed. */
export function mutated(seed: JsonObject, random: () => number): JsonObject {
  let value: Json = seed;
  const times = random() < 0.7 ? 1 : random() < 0.7 ? 2 : 3;
  for (let i = 0; i < times; i++) {
    const places = pathsOf(value).filter((path) => path[0] !== 'apiVersion' && path[0] !== 'kind');
    const path = pick(places, random);
    if (path !== undefined) value = change(value, path, random);
  }
  return value as JsonObject;
}

function change(root: Json, path: readonly Step[], random: () => number): Json {
  const known = knownFor(path);
  return replace(root, path, (value) => {
    const roll = random();
    if (roll < 0.12) return undefined;
    if (roll < 0.5 && known.length > 0 && (typeof value !== 'object' || value === null)) {
      return pick(known, random) ?? null;
    }
    if (Array.isArray(value)) return changeList(value, known, random);
    if (typeof value === 'object' && value !== null && random() < 0.75)
      return changeObject(value as JsonObject, random);
    return pick(WRONG, random) ?? null;
  });
}

function changeList(list: readonly Json[], known: readonly Json[], random: () => number): Json {
  const roll = random();
  const last = list.at(-1) ?? {};
  if (roll < 0.15) return [];
  if (roll < 0.3) return [...list, last];
  if (roll < 0.4) return [...list, last, last];
  if (roll < 0.55) return Array.from({ length: pick([25, 26, 100, 101], random) ?? 25 }, () => last);
  if (roll < 0.65) return [...list, null];
  if (roll < 0.9 && known.length > 0) return [...list, pick(known, random) ?? null];
  return pick(WRONG, random) ?? null;
}

function changeObject(object: JsonObject, random: () => number): Json {
  const entries = Object.entries(object);
  const roll = random();
  if (roll < 0.5) return Object.fromEntries([...entries, pick(EXTRA, random) ?? ['x', 1]]);
  if (roll < 0.7) {
    const victim = pick(entries, random);
    return Object.fromEntries(entries.map((entry) => (entry === victim ? [`${entry[0]}s`, entry[1]] : entry)));
  }
  if (roll < 0.8) {
    const key = String(pick(NAMES, random));
    return Object.fromEntries([...entries, [key, pick(NAMES, random) ?? '']]);
  }
  return roll < 0.9 ? {} : (pick(WRONG, random) ?? null);
}

function replace(value: Json, path: readonly Step[], make: (value: Json) => Json | undefined): Json {
  const [step, ...rest] = path;
  const next = (inner: Json): Json | undefined => (rest.length === 0 ? make(inner) : replace(inner, rest, make));
  if (Array.isArray(value)) {
    return value.flatMap((item: Json, i) => (i === step ? [next(item)].filter((made) => made !== undefined) : [item]));
  }
  const entries = Object.entries(value as JsonObject).flatMap(([key, item]): [string, Json][] => {
    if (key !== step) return [[key, item]];
    const made = next(item);
    return made === undefined ? [] : [[key, made]];
  });
  return Object.fromEntries(entries);
}

function pathsOf(value: Json): (readonly Step[])[] {
  if (typeof value !== 'object' || value === null) return [];
  const entries: [Step, Json][] = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  return entries.flatMap(([step, item]) => [[step], ...pathsOf(item).map((path) => [step, ...path])]);
}

function pick<T>(from: readonly T[], random: () => number): T | undefined {
  return from[Math.floor(random() * from.length)];
}
