import { type Cidr, type Family, type Ip, type IpRange, LAST } from '../../base/ip.ts';

/** A set of addresses that the same blocks cover. Group numbers are stable; a group may lose all its addresses. */
export type GroupId = number;

interface Line {
  /** First address of each segment, ascending; the first is 0. */
  readonly starts: bigint[];
  readonly groups: GroupId[];
}

/**
 * The address spaces cut along every block that policies mention. Blocks are added one by one (wide ones first is
 * fastest) and never taken out: a partition that is finer than necessary gives the same answers.
 */
export class AddressPartition {
  readonly #lines: Readonly<Record<Family, Line>>;
  /** Block numbers that cover a group, ascending. */
  readonly #covers: (readonly number[])[] = [];
  readonly #families: Family[] = [];
  readonly #byKey = new Map<string, GroupId>();
  readonly #blocks = new Map<string, number>();
  readonly #groupsOfBlock: Set<GroupId>[] = [];

  constructor() {
    this.#lines = {
      4: { starts: [0n], groups: [this.#group(4, [])] },
      6: { starts: [0n], groups: [this.#group(6, [])] },
    };
  }

  /** The group that an address is in; logarithmic. */
  groupOf(ip: Ip): GroupId {
    const line = this.#lines[ip.family];
    return line.groups[find(line.starts, ip.value)] as GroupId;
  }

  /** Counts the blocks: an answer about groups holds as long as this stays the same. */
  get version(): number {
    return this.#groupsOfBlock.length;
  }

  /** Cuts along a block. Returns whether it was new: then addresses inside of it are in other groups than before. */
  add(block: Cidr): boolean {
    const key = keyOf(block);
    if (this.#blocks.has(key)) return false;
    const id = this.#groupsOfBlock.length;
    this.#blocks.set(key, id);
    this.#groupsOfBlock.push(new Set());
    const line = this.#lines[block.family];
    const from = cut(line, block.first);
    const to = block.last === LAST[block.family] ? line.starts.length : cut(line, block.last + 1n);
    for (let i = from; i < to; i++) {
      const before = line.groups[i] as GroupId;
      line.groups[i] = this.#group(block.family, [...(this.#covers[before] as number[]), id]);
    }
    return true;
  }

  /** The groups inside of a block and outside of its exceptions; all must have been added. */
  groupsIn(block: Cidr, except: readonly Cidr[]): readonly GroupId[] {
    const own = this.#groupsOfBlock[this.#blocks.get(keyOf(block)) ?? -1];
    if (own === undefined) return [];
    const holes = except.map((hole) => this.#blocks.get(keyOf(hole)) ?? -1);
    return [...own].filter((group) => !holes.some((hole) => (this.#covers[group] as number[]).includes(hole)));
  }

  familyOf(group: GroupId): Family {
    return this.#families[group] as Family;
  }

  /** All segments of a family, ascending. */
  segments(family: Family): (IpRange & { readonly group: GroupId })[] {
    const { starts, groups } = this.#lines[family];
    return starts.map((first, i) => ({
      family,
      first,
      last: i + 1 < starts.length ? (starts[i + 1] as bigint) - 1n : LAST[family],
      group: groups[i] as GroupId,
    }));
  }

  #group(family: Family, covers: readonly number[]): GroupId {
    const key = `${family}:${covers.join(',')}`;
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const id = this.#covers.length;
    this.#covers.push(covers);
    this.#families.push(family);
    this.#byKey.set(key, id);
    for (const block of covers) this.#groupsOfBlock[block]?.add(id);
    return id;
  }
}

function keyOf(block: Cidr): string {
  return `${block.family}/${block.prefix}/${block.first}`;
}

/** The segment that holds `value`. */
function find(starts: readonly bigint[], value: bigint): number {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const mid = (low + high + 1) >> 1;
    if ((starts[mid] as bigint) <= value) low = mid;
    else high = mid - 1;
  }
  return low;
}

/** Makes a segment begin at `value` and returns its index. */
function cut(line: Line, value: bigint): number {
  const at = find(line.starts, value);
  if (line.starts[at] === value) return at;
  line.starts.splice(at + 1, 0, value);
  line.groups.splice(at + 1, 0, line.groups[at] as GroupId);
  return at + 1;
}
