/** What rules read from a packet. A field that the packet does not have is `null`: the rule ends there, as in the kernel. */
import { invariant } from '../../base/invariant.ts';
import type { ConnectionState, Packet } from './packet.ts';
import {
  ADDRESS_TYPE,
  CLASS,
  type DataType,
  DIRECTION,
  ICMP_TYPE,
  ICMPV6_TYPE,
  INTERFACE,
  IPV4,
  IPV6,
  MARK,
  NETWORK_PROTOCOL,
  PORT,
  PROTOCOL,
  STATE,
  STATUS,
  type Value,
} from './value.ts';

/** A packet on its way, with what rules may change of it. */
export interface Passage {
  readonly packet: Packet;
  priority: number;
  mark: number;
  connectionMark: number;
}

export interface Expression {
  /** One per field of a concatenation. */
  readonly types: readonly DataType[];
  /** `null` if the packet lacks a field. */
  readonly read: (passage: Passage) => readonly Value[] | null;
}

interface Field {
  readonly type: DataType;
  readonly read: (passage: Passage) => Value | null;
}

/** The words of a rule, and how far it is read. */
export interface Words {
  readonly rule: string;
  readonly list: readonly string[];
  at: number;
}

/** The next word, which is read. */
export function next(words: Words): string {
  const word = words.list[words.at++];
  invariant(word !== undefined, `the rule \`${words.rule}\` ends too early`);
  return word;
}

/** Reads the word if it is the next one. */
export function accept(words: Words, ...expected: readonly string[]): boolean {
  if (!expected.every((word, i) => words.list[words.at + i] === word)) return false;
  words.at += expected.length;
  return true;
}

const STATES: Readonly<Record<ConnectionState, number>> = {
  invalid: 1,
  established: 2,
  related: 4,
  new: 8,
  untracked: 64,
};
const TRACKED = (packet: Packet): boolean => packet.state !== 'invalid' && packet.state !== 'untracked';

function transport(protocol: number, index: 0 | 1): (passage: Passage) => number | null {
  return ({ packet }) => (packet.protocol === protocol ? (packet.words?.[index] ?? null) : null);
}

const typeOf =
  (protocol: number, family: 4 | 6) =>
  ({ packet }: Passage): number | null =>
    packet.protocol === protocol && packet.source.family === family && packet.words !== null
      ? packet.words[0] >>> 8
      : null;

const address =
  (family: 4 | 6, end: 'source' | 'destination') =>
  ({ packet }: Passage): bigint | null =>
    packet.source.family === family ? packet[end].value : null;

const port = (read: Field['read']): Field => ({ type: PORT, read });

const INPUT: Field = { type: INTERFACE, read: ({ packet }) => packet.inputInterface };
const OUTPUT: Field = { type: INTERFACE, read: ({ packet }) => packet.outputInterface };

/** Fields by the words that name them. `th` reads two bytes of whatever protocol it is. */
const FIELDS: ReadonlyMap<string, Field> = new Map<string, Field>([
  ['meta nfproto', { type: NETWORK_PROTOCOL, read: ({ packet }) => (packet.source.family === 4 ? 2 : 10) }],
  ['meta l4proto', { type: PROTOCOL, read: ({ packet }) => packet.protocol }],
  ['meta priority', { type: CLASS, read: ({ priority }) => priority }],
  ['meta mark', { type: MARK, read: ({ mark }) => mark }],
  ['meta iif', INPUT],
  ['meta oif', OUTPUT],
  ['meta iifname', INPUT],
  ['meta oifname', OUTPUT],
  ['ct state', { type: STATE, read: ({ packet }) => STATES[packet.state] }],
  ['ct status', { type: STATUS, read: ({ packet }) => (TRACKED(packet) ? packet.connectionStatus : null) }],
  [
    'ct direction',
    { type: DIRECTION, read: ({ packet }) => (TRACKED(packet) ? (packet.direction === 'original' ? 0 : 1) : null) },
  ],
  ['ct mark', { type: MARK, read: ({ packet, connectionMark }) => (TRACKED(packet) ? connectionMark : null) }],
  ['ip saddr', { type: IPV4, read: address(4, 'source') }],
  ['ip daddr', { type: IPV4, read: address(4, 'destination') }],
  ['ip6 saddr', { type: IPV6, read: address(6, 'source') }],
  ['ip6 daddr', { type: IPV6, read: address(6, 'destination') }],
  ['ip protocol', { type: PROTOCOL, read: ({ packet }) => (packet.source.family === 4 ? packet.protocol : null) }],
  ['th sport', port(({ packet }) => packet.words?.[0] ?? null)],
  ['th dport', port(({ packet }) => packet.words?.[1] ?? null)],
  ['tcp sport', port(transport(6, 0))],
  ['tcp dport', port(transport(6, 1))],
  ['udp sport', port(transport(17, 0))],
  ['udp dport', port(transport(17, 1))],
  ['sctp sport', port(transport(132, 0))],
  ['sctp dport', port(transport(132, 1))],
  ['icmp type', { type: ICMP_TYPE, read: typeOf(1, 4) }],
  ['icmpv6 type', { type: ICMPV6_TYPE, read: typeOf(58, 6) }],
  ['fib saddr', { type: ADDRESS_TYPE, read: ({ packet }) => (packet.local.source ? 2 : 1) }],
  ['fib daddr', { type: ADDRESS_TYPE, read: ({ packet }) => (packet.local.destination ? 2 : 1) }],
]);

const SHORT: ReadonlyMap<string, string> = new Map([
  ['iif', 'meta iif'],
  ['oif', 'meta oif'],
  ['iifname', 'meta iifname'],
  ['oifname', 'meta oifname'],
]);

/** Reads an expression: fields joined by ` . `, each with its bit operations. */
export function readExpression(words: Words): Expression {
  const fields = [readField(words)];
  while (accept(words, '.')) fields.push(readField(words));
  const [only] = fields;
  if (only !== undefined && fields.length === 1) {
    return {
      types: [only.type],
      read: (passage) => {
        const value = only.read(passage);
        return value === null ? null : [value];
      },
    };
  }
  return {
    types: fields.map(({ type }) => type),
    read: (passage) => {
      const values: Value[] = [];
      for (const field of fields) {
        const value = field.read(passage);
        if (value === null) return null;
        values.push(value);
      }
      return values;
    },
  };
}

function readField(words: Words): Field {
  const first = next(words);
  const name = SHORT.get(first) ?? `${first} ${next(words)}`;
  const found = FIELDS.get(name);
  invariant(found !== undefined, `the expression \`${name}\` of the rule \`${words.rule}\` is not known`);
  if (first === 'fib') invariant(accept(words, 'type'), `\`type\` expected in the rule \`${words.rule}\``);
  return readBits(words, found);
}

const OPERATIONS: ReadonlyMap<string, (value: number, operand: number) => number> = new Map([
  ['&', (value: number, operand: number) => (value & operand) >>> 0],
  ['|', (value: number, operand: number) => (value | operand) >>> 0],
  ['^', (value: number, operand: number) => (value ^ operand) >>> 0],
]);

const SPELLED: ReadonlyMap<string, string> = new Map([
  ['and', '&'],
  ['or', '|'],
  ['xor', '^'],
]);

/** `& mask | bits`, from left to right, as nft writes them: `|` never stands before a `&` that it would not bind. */
function readBits(words: Words, field: Field): Field {
  let { read } = field;
  for (;;) {
    const word = words.list[words.at] ?? '';
    const operation = OPERATIONS.get(SPELLED.get(word) ?? word);
    if (operation === undefined) return { type: field.type, read };
    words.at++;
    const operand = field.type.parse(next(words));
    invariant(typeof operand === 'number', `a number expected after \`${word}\` in the rule \`${words.rule}\``);
    const before = read;
    read = (passage) => {
      const value = before(passage);
      return value === null ? null : operation(Number(value), operand);
    };
  }
}
