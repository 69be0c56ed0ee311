/** Damage to one policy document, by intent: what a careless hand does to a file. */
import { stringify } from 'yaml';
import { type Dice, mutateStructure, mutateText } from '../manifest/mutations.ts';
import type { Manifest } from './town.ts';

type Value = Manifest[string];

/**
 * `broken` damage says nothing that Kubernetes knows: it must never open, and always be reported. `any` damage may be a
 * manifest that means something else.
 */
export interface Damage {
  readonly kind: (typeof DAMAGES)[number];
  readonly broken: boolean;
  readonly text: string;
}

export const DAMAGES = [
  'unknown field',
  'misspelt key',
  'wrong type',
  'unknown value',
  'cut off',
  'structure',
  'text',
] as const;

const BROKEN: ReadonlySet<string> = new Set(['unknown field', 'misspelt key', 'wrong type', 'unknown value']);

const pick = <T>(roll: Dice, list: readonly T[]): T => list[roll(list.length)] as T;

/** A place inside of the spec: the container, and the key or position in it. */
interface Place {
  readonly holder: Manifest | Value[];
  readonly key: string | number;
  readonly value: Value;
  /** Keys of labels are the user's own words. */
  readonly ownWords: boolean;
}

function placesIn(value: Value, ownWords = false): readonly Place[] {
  if (value === null || typeof value !== 'object') return [];
  const entries: readonly (readonly [string | number, Value])[] = Array.isArray(value)
    ? value.map((inner, i) => [i, inner] as const)
    : Object.entries(value);
  return entries.flatMap(([key, inner]) => [
    { holder: value, key, value: inner, ownWords },
    ...placesIn(inner, key === 'matchLabels'),
  ]);
}

function put(holder: Manifest | Value[], key: string | number, value: Value): void {
  Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });
}

const STRANGE_KEYS = [
  'x',
  'podSelectors',
  'from ',
  'To',
  'ports_',
  'action2',
  'exceptions',
  'policytypes',
  'constructor',
  '__proto__',
  'namespace',
  'peer',
  'selector',
  'rules',
  'Egress',
];
const STRANGE_VALUES: readonly Value[] = ['x', 5, true, [], {}, [{}], { matchLabels: {} }, ['10.0.0.0/8'], ''];
const OTHER_TYPES: readonly Value[] = ['x', 5, -1, 1.5, true, false, [], {}, ['x'], [5], { a: 'b' }, ''];
const STRANGE_WORDS: readonly Value[] = [
  'Alow',
  'deny',
  'ALLOW',
  'Any',
  '*',
  'tcp',
  'ingress',
  'INGRESS',
  'admin',
  'in',
  'Equals',
  'Reject',
  '',
];
const ENUMS: ReadonlySet<string> = new Set(['action', 'tier', 'protocol', 'operator']);

function typeOf(value: Value): string {
  return value === null ? 'null' : Array.isArray(value) ? 'list' : typeof value;
}

/** Keys that may be absent and whose value is a list: an empty map in their place is no list. */
function damageBroken(kind: Damage['kind'], document: Manifest, roll: Dice): boolean {
  const spec = document.spec as Manifest;
  const places = placesIn(spec);
  switch (kind) {
    case 'unknown field': {
      const objects = [
        spec,
        ...(roll(12) === 0 ? [document] : []),
        ...places.flatMap(({ key, value }) =>
          typeOf(value) === 'object' && key !== 'matchLabels' ? [value as Manifest] : [],
        ),
      ];
      put(pick(roll, objects), pick(roll, STRANGE_KEYS), structuredClone(pick(roll, STRANGE_VALUES)));
      return true;
    }
    case 'misspelt key': {
      const keyed = places.filter(({ key, ownWords }) => typeof key === 'string' && !ownWords);
      const { holder, key, value } = pick(roll, keyed) as Place & { holder: Manifest; key: string };
      const at = roll(key.length);
      const misspelt = pick(roll, [
        `${key}s`,
        key.slice(0, at) + key.slice(at + 1),
        key.slice(0, at) + key.charAt(at) + key.slice(at),
        key.charAt(0).toUpperCase() + key.slice(1),
        `${key} `,
        key.toUpperCase(),
      ]);
      if (misspelt === key || misspelt === '' || Object.hasOwn(holder, misspelt)) return false;
      delete holder[key];
      put(holder, misspelt, value);
      return true;
    }
    case 'wrong type': {
      const { holder, key, value } = pick(roll, places);
      const others = OTHER_TYPES.filter((other) => typeOf(other) !== typeOf(value));
      // A port is a number or a name.
      const fitting = key === 'port' ? others.filter((other) => other !== 'x' && other !== 5) : others;
      put(holder, key, structuredClone(pick(roll, fitting)));
      return true;
    }
    case 'unknown value': {
      const words = places.filter(({ holder, key }) => ENUMS.has(String(key)) || holder === spec.policyTypes);
      if (words.length === 0) return false;
      const { holder, key } = pick(roll, words);
      put(holder, key, pick(roll, STRANGE_WORDS));
      return true;
    }
    default:
      return false;
  }
}

/** One damage to a policy document; the same for equal dice. */
export function damage(policy: Manifest, roll: Dice): Damage {
  for (;;) {
    const kind = pick(roll, DAMAGES);
    const document = structuredClone(policy);
    if (BROKEN.has(kind)) {
      if (!damageBroken(kind, document, roll)) continue;
      return { kind, broken: true, text: write(document, roll) };
    }
    if (kind === 'structure')
      return { kind, broken: false, text: write(mutateStructure(document, roll) as Manifest, roll) };
    const text = write(document, roll);
    return {
      kind,
      broken: false,
      text: kind === 'cut off' ? text.slice(0, roll(text.length)) : mutateText(text, roll),
    };
  }
}

function write(document: Manifest, roll: Dice): string {
  if (roll(4) === 0) return `${JSON.stringify(document, null, roll(3))}\n`;
  return stringify(document, {
    version: '1.1',
    collectionStyle: roll(6) === 0 ? 'flow' : 'any',
    aliasDuplicateObjects: false,
  });
}
