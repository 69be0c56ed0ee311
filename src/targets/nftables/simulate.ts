/** Sends a packet through the content of a table, as the kernel does. */
import { invariant } from '../../base/invariant.ts';
import { byNumber } from '../../base/order.ts';
import type { Passage } from './expression.ts';
import type { Element } from './lookup.ts';
import type { Hook, Packet } from './packet.ts';
import { compileRule, type Rule, type Ruling, type Traces } from './rule.ts';
import type { ChainContent, TableContent } from './table.ts';

/** A rule that took effect on a packet, or the policy of a base chain. */
export interface SimulatedStep {
  readonly chain: string;
  /** Index of the rule; `null` for the chain's policy. */
  readonly rule: number | null;
  readonly text: string;
  /** Elements of sets and maps that the rule met. */
  readonly elements: readonly Element[];
}

/** What becomes of a packet, and all that it left behind. */
export interface SimulatedVerdict {
  readonly verdict: 'accept' | 'drop' | 'reject';
  /** As the rule writes it (`tcp reset`, `icmpx 3`); `null` unless rejected. */
  readonly rejectedWith: string | null;
  readonly steps: readonly SimulatedStep[];
  readonly counters: readonly string[];
  readonly logs: readonly { readonly prefix: string; readonly group: number | null }[];
  readonly priority: number;
  readonly mark: number;
  readonly connectionMark: number;
}

export interface SimulationOptions {
  /** Rate limits are used up; by default they never are. */
  readonly limited?: boolean;
}

/** Sends many packets through one table, whose rules are read once. */
export type Simulator = (packet: Packet, options?: SimulationOptions) => SimulatedVerdict;

const SIMULATORS = new WeakMap<TableContent, Simulator>();

/** The verdict of a table on one packet. The content must not change after its first use here. */
export function simulate(content: TableContent, packet: Packet, options: SimulationOptions = {}): SimulatedVerdict {
  let simulator = SIMULATORS.get(content);
  if (simulator === undefined) {
    simulator = simulatorOf(content);
    SIMULATORS.set(content, simulator);
  }
  return simulator(packet, options);
}

/**
 * Reads a table's rules (each chain when a packet first gets there) and returns what sends packets through them. Anything
 * that our rules never contain throws an invariant error, so that no packet is judged by half a rule.
 */
export function simulatorOf(content: TableContent): Simulator {
  const bases = basesOf(content);
  const compiled = new Map<string, readonly Rule[]>();
  const rulesOf = (name: string): readonly Rule[] => {
    const known = compiled.get(name);
    if (known !== undefined) return known;
    const chain = content.chains.get(name);
    invariant(chain !== undefined, `a rule leads to the chain \`${name}\`, which is not there`);
    const rules = chain.rules.map((text) => compileRule(text, content));
    compiled.set(name, rules);
    return rules;
  };
  return (packet, { limited = false } = {}) => {
    invariant(packet.source.family === packet.destination.family, 'a packet has addresses of two families');
    const { priority, mark, connectionMark } = packet;
    const passage: Passage = { packet, priority, mark, connectionMark };
    const traces: Traces = { counters: [], logs: [], elements: [], limited };
    const steps: SimulatedStep[] = [];
    let last: Final = { kind: 'accept' };
    for (const base of bases.get(packet.hook) ?? []) {
      last = walk(base, rulesOf, passage, traces, steps);
      // Acceptance ends one base chain only; the next one of the hook still sees the packet.
      if (last.kind !== 'accept') break;
    }
    return {
      verdict: last.kind,
      rejectedWith: last.kind === 'reject' ? last.with : null,
      steps,
      counters: traces.counters,
      logs: traces.logs,
      priority: passage.priority,
      mark: passage.mark,
      connectionMark: passage.connectionMark,
    };
  };
}

interface Base {
  readonly name: string;
  readonly priority: number;
  readonly policy: 'accept' | 'drop';
}

type Final = { readonly kind: 'accept' | 'drop' } | { readonly kind: 'reject'; readonly with: string };

function basesOf(content: TableContent): ReadonlyMap<Hook, readonly Base[]> {
  const bases = new Map<Hook, Base[]>();
  for (const [name, chain] of content.chains) {
    const base = baseOf(name, chain);
    if (base === null) continue;
    const list = bases.get(base.hook) ?? [];
    list.push(base);
    bases.set(
      base.hook,
      list.sort((a, b) => byNumber(a.priority, b.priority)),
    );
  }
  return bases;
}

function baseOf(name: string, { hook }: ChainContent): (Base & { readonly hook: Hook }) | null {
  if (hook === null) return null;
  const parts =
    /^type filter hook (prerouting|input|forward|output|postrouting) priority (-?\d+); policy (accept|drop);$/;
  const [, at, priority, policy] = parts.exec(hook) ?? [];
  invariant(policy !== undefined, `the chain \`${name}\` is hooked in an unknown way: \`${hook}\``);
  return { name, hook: at as Hook, priority: Number(priority), policy: policy as 'accept' | 'drop' };
}

/** As many chains deep as the kernel lets jumps go. */
const DEPTH = 16;

function walk(
  base: Base,
  rulesOf: (chain: string) => readonly Rule[],
  passage: Passage,
  traces: Traces,
  steps: SimulatedStep[],
): Final {
  const callers: { readonly chain: string; readonly at: number }[] = [];
  let chain = base.name;
  let at = 0;
  for (;;) {
    const rules = rulesOf(chain);
    const rule = rules[at];
    let ruling: Ruling | 'next' | 'break' = { kind: 'return' };
    if (rule !== undefined) {
      traces.elements = [];
      ruling = rule.run(passage, traces);
      if (ruling !== 'break') steps.push({ chain, rule: at, text: rule.text, elements: traces.elements });
      at++;
    }
    if (ruling === 'next' || ruling === 'break') continue;
    switch (ruling.kind) {
      case 'jump':
        callers.push({ chain, at });
        invariant(callers.length <= DEPTH, `more than ${DEPTH} jumps deep at \`${ruling.chain}\``);
        chain = ruling.chain;
        at = 0;
        break;
      case 'goto':
        chain = ruling.chain;
        at = 0;
        break;
      case 'return': {
        const caller = callers.pop();
        if (caller === undefined) {
          steps.push({ chain: base.name, rule: null, text: `policy ${base.policy}`, elements: [] });
          return { kind: base.policy };
        }
        ({ chain, at } = caller);
        break;
      }
      default:
        return ruling.kind === 'reject' ? ruling : { kind: ruling.kind };
    }
  }
}
