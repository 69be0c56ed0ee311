import { type Cidr, cidrOf, type Family, formatCidr, type Ip, type IpRange, parseCidr } from '../base/ip.ts';
import type { EndpointMatch } from '../model/match.ts';
import type { PolicyProgram } from '../model/program.ts';

/** A block of a policy with what is cut out of it. */
export interface PolicyBlock {
  readonly cidr: Cidr;
  readonly except: readonly Cidr[];
}

/** Every block that policies name, each once, in the order of the program. */
export function policyBlocks(program: PolicyProgram): readonly PolicyBlock[] {
  const found = new Map<string, PolicyBlock>();
  const add = (match: EndpointMatch): void => {
    if (match.kind !== 'addresses') return;
    const key = [match.cidr, ...match.except].map(formatCidr).join(' ');
    if (!found.has(key)) found.set(key, { cidr: match.cidr, except: match.except });
  };
  for (const tier of program.tiers) {
    for (const policy of tier.policies) {
      add(policy.subject);
      for (const rule of policy.rules) for (const peer of rule.match.peers) add(peer);
    }
  }
  return [...found.values()];
}

export function overlap(a: IpRange, b: IpRange): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last;
}

function holds(outer: IpRange, inner: IpRange): boolean {
  return outer.family === inner.family && outer.first <= inner.first && inner.last <= outer.last;
}

/** The ranges that a lab chooses for itself. */
export type Purpose = 'pods' | 'services' | 'nodes' | 'loadBalancers';

export interface ChosenRanges {
  readonly byPurpose: Readonly<Record<Purpose, readonly Cidr[]>>;
  /** Ranges that no choice could keep out of a block. */
  readonly touched: readonly { readonly purpose: Purpose; readonly range: Cidr; readonly block: Cidr }[];
}

const PURPOSES: readonly Purpose[] = ['pods', 'services', 'nodes', 'loadBalancers'];

/** Preferred first; clusters of the kind that people know have such ranges. */
const WISHES: Readonly<Record<Purpose, Readonly<Record<Family, string>>>> = {
  pods: { 4: '10.244.0.0/16', 6: 'fd00:10:244::/48' },
  services: { 4: '10.96.0.0/16', 6: 'fd00:10:96::/112' },
  nodes: { 4: '172.18.0.0/16', 6: 'fd00:172:18::/64' },
  loadBalancers: { 4: '172.19.0.0/16', 6: 'fd00:172:19::/112' },
};

/** Where to look when what is wished for is taken, in this order. */
const REALMS: Readonly<Record<Family, readonly string[]>> = {
  4: ['10.0.0.0/8', '172.16.0.0/12', '100.64.0.0/10', '198.18.0.0/15', '192.168.0.0/16'],
  6: ['fd00::/8'],
};

/**
 * Chooses ranges that no policy's block and none of the given addresses and blocks touches. A range inside of what a block
 * leaves out (`0.0.0.0/0` except `10.0.0.0/8`) is not touched by it.
 */
export function chooseRanges(
  families: readonly Family[],
  blocks: readonly PolicyBlock[],
  avoid: readonly IpRange[],
): ChosenRanges {
  const taken: IpRange[] = [...avoid];
  const byPurpose: Record<Purpose, Cidr[]> = { pods: [], services: [], nodes: [], loadBalancers: [] };
  const touched: { purpose: Purpose; range: Cidr; block: Cidr }[] = [];
  for (const purpose of PURPOSES) {
    for (const family of families) {
      const range = bestRange(candidates(purpose, family), blocks, taken);
      if (range === null) continue;
      taken.push(range);
      byPurpose[purpose].push(range);
      const block = blocks.find((one) => penalty(range, one) > 1);
      if (block !== undefined) touched.push({ purpose, range, block: block.cidr });
    }
  }
  return { byPurpose, touched };
}

function* candidates(purpose: Purpose, family: Family): Generator<Cidr> {
  const wish = parseCidr(WISHES[purpose][family]);
  if (wish === null) return;
  yield wish;
  for (const text of REALMS[family]) {
    const realm = parseCidr(text);
    if (realm === null) continue;
    // Of a large realm the upper part first: people begin to number at the lower end.
    const step = family === 4 ? 16n : 80n;
    const total = Number((realm.last - realm.first + 1n) >> step);
    for (let i = Math.min(total, 256) - 1; i >= 0; i--) {
      const base =
        family === 4 ? realm.first + (BigInt(i) << step) : realm.first + (BigInt(i) << 104n) + (0x1ab0n << 88n);
      yield cidrOf(family, base, wish.prefix);
    }
  }
}

function bestRange(all: Iterable<Cidr>, blocks: readonly PolicyBlock[], taken: readonly IpRange[]): Cidr | null {
  let best: { readonly range: Cidr; readonly cost: number } | null = null;
  for (const range of all) {
    if (taken.some((other) => overlap(range, other))) continue;
    let cost = 0;
    for (const block of blocks) cost += penalty(range, block);
    if (best === null || cost < best.cost) best = { range, cost };
    if (cost === 0) break;
  }
  return best?.range ?? null;
}

/** A block that means everything touches every range, so it counts little; a range that is half in and half out is the worst. */
function penalty(range: Cidr, block: PolicyBlock): number {
  if (!overlap(range, block.cidr)) return 0;
  if (block.except.some((except) => holds(except, range))) return 0;
  const isSplit = !holds(block.cidr, range) || block.except.some((except) => overlap(except, range));
  if (isSplit) return 1000;
  return block.cidr.prefix === 0 ? 1 : 100;
}

const UNUSABLE: readonly Cidr[] = ['0.0.0.0/8', '127.0.0.0/8', '224.0.0.0/3', '::/127', 'fe80::/10', 'ff00::/8']
  .map(parseCidr)
  .filter((cidr): cidr is Cidr => cidr !== null);

/** Whether an interface can have the address and others can reach it there. */
export function isUsable(ip: Ip): boolean {
  return !UNUSABLE.some((block) => block.family === ip.family && block.first <= ip.value && ip.value <= block.last);
}

/** Blocks of which no address is usable. */
export function unusableRanges(): readonly IpRange[] {
  return UNUSABLE;
}
