import { type Cidr, type Family, formatAddress, formatCidr, type IpRange, parseCidr, parseIp } from '../base/ip.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { LabOutside } from './model.ts';
import { LAB_CODES } from './model-codes.ts';
import { type PolicyBlock, unusableRanges } from './model-ranges.ts';

/** More blocks than that say nothing new in a lab. */
const MOST_BLOCKS = 1000;

const UNNAMED: Readonly<Record<Family, readonly string[]>> = {
  4: ['203.0.113.0/24', '198.51.100.0/24', '192.0.2.0/24', '11.0.0.0/8', '24.0.0.0/5', '64.0.0.0/2'],
  6: ['2001:db8::/32', '2001:db9::/32', '2600::/12', '2a00::/11', '2000::/3'],
};

/**
 * The addresses of what is not the cluster: `given` ones, one in each block of the policies and one in each part that a
 * block leaves out, and two of each family that no block names.
 */
export function outsideAddresses(
  families: readonly Family[],
  blocks: readonly PolicyBlock[],
  given: readonly string[],
  cluster: readonly IpRange[],
  diagnostics: Diagnostic[],
): readonly LabOutside[] {
  const found = new Map<string, LabOutside>();
  const add = (entry: LabOutside): void => {
    if (!found.has(entry.address)) found.set(entry.address, entry);
  };
  for (const address of given) add({ address, why: 'given', block: null });
  // No address twice, so that every block is told from the others, unless it is but one address.
  const used = (): IpRange[] => [...found.keys()].map(single).filter((range) => range !== null);
  const never = [...cluster, ...unusableRanges()];
  const inFamilies = blocks.filter((block) => families.includes(block.cidr.family)).slice(0, MOST_BLOCKS);
  for (const { cidr, except } of inFamilies) {
    const parts = [
      { why: 'block' as const, block: cidr, without: except },
      ...except.map((part) => ({ why: 'except' as const, block: part, without: [] })),
    ];
    for (const { why, block, without } of parts) {
      const address =
        freeAddress(block, [...never, ...without, ...used()]) ?? freeAddress(block, [...never, ...without]);
      if (address !== null) add({ address, why, block: formatCidr(block) });
      else diagnostics.push(noAddress(formatCidr(block)));
    }
  }
  // A block that means everything names nothing.
  const named = blocks.flatMap(({ cidr, except }) => [...(cidr.prefix === 0 ? [] : [cidr]), ...except]);
  for (const family of families) {
    for (let left = 2; left > 0; left--) {
      const address = unnamedAddress(family, [...never, ...named, ...used()]);
      if (address !== null) add({ address, why: 'unnamed', block: null });
    }
  }
  return [...found.values()];
}

function single(address: string): IpRange | null {
  const ip = parseIp(address);
  return ip === null ? null : { family: ip.family, first: ip.value, last: ip.value };
}

function unnamedAddress(family: Family, avoid: readonly IpRange[]): string | null {
  for (const text of UNNAMED[family]) {
    const realm = parseCidr(text);
    const address = realm === null ? null : freeAddress(realm, avoid);
    if (address !== null) return address;
  }
  return null;
}

/** The first address of a block that is in none of the ranges; the very first one only of a block of one or two. */
function freeAddress(block: Cidr, avoid: readonly IpRange[]): string | null {
  const size = block.last - block.first + 1n;
  const isEverything = block.prefix === 0;
  const starts = isEverything ? UNNAMED[block.family].map(parseCidr) : [block];
  for (const start of starts) {
    if (start === null) continue;
    let value = size > 2n ? start.first + 1n : start.first;
    for (let next = hit(start.family, value, avoid); next !== null; next = hit(start.family, value, avoid))
      value = next.last + 1n;
    if (value <= (isEverything ? block.last : start.last)) return formatAddress(block.family, value);
  }
  return null;
}

function hit(family: Family, value: bigint, ranges: readonly IpRange[]): IpRange | null {
  return ranges.find((range) => range.family === family && range.first <= value && value <= range.last) ?? null;
}

function noAddress(block: string): Diagnostic {
  const { code, severity } = LAB_CODES['no-outside-address'];
  const message = `the block \`${block}\` of a policy has no address that the outside of a lab could have`;
  return { code, severity, message, origin: null };
}
