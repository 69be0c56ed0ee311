import { type Cidr, covers, formatAddress, parseIp } from '../base/ip.ts';

/** Hands out the addresses of a block, each once at a time. */
export interface AddressPool {
  readonly block: Cidr;
  /** The first free address after the one handed out last; `null` when all are taken. */
  take(): string | null;
  /** Marks an address as taken; `false` if it is taken already, or not of the block. */
  reserve(address: string): boolean;
  release(address: string): void;
}

/** A pool without the first `skip` addresses, and for IPv4 without the last one. */
export function addressPool(block: Cidr, skip: number): AddressPool {
  const taken = new Set<bigint>();
  const first = block.first + BigInt(skip);
  const last = block.family === 4 && block.prefix < 31 ? block.last - 1n : block.last;
  let next = first;
  return {
    block,
    take: () => {
      for (let tries = taken.size + 1; tries > 0 && first <= last; tries--) {
        if (next > last) next = first;
        const value = next++;
        if (taken.has(value)) continue;
        taken.add(value);
        return formatAddress(block.family, value);
      }
      return null;
    },
    reserve: (address) => {
      const ip = parseIp(address);
      if (ip === null || !covers(block, ip) || taken.has(ip.value)) return false;
      taken.add(ip.value);
      return true;
    },
    release: (address) => {
      const ip = parseIp(address);
      if (ip !== null && ip.family === block.family) taken.delete(ip.value);
    },
  };
}
