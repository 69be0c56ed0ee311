import type { Family } from '../../base/ip.ts';
import type { ChainContent, SetDeclaration } from './table.ts';

/** What an administrator may choose. */
export interface LayoutOptions {
  readonly table: string;
  /** Bits of the connection mark that hold the generation; contiguous, at least 8. */
  readonly generationMask: number;
  readonly deny: 'drop' | 'reject';
  /** First packets that are denied go to this NFLOG group with the prefix `D|i|` or `D|e|`. */
  readonly log: { readonly group: number; readonly perSecond: number } | null;
  /** Pods may not send VXLAN, Geneve or IP in IP to nodes: it would carry what policies do not see. */
  readonly refuseEncapsulation: boolean;
  /** Addresses of this node's pod ranges that are not known yet are denied. */
  readonly closedUntilKnown: boolean;
}

export const DEFAULT_LAYOUT: LayoutOptions = {
  table: 'rampart',
  generationMask: 0xffff0000,
  deny: 'drop',
  log: { group: 77, perSecond: 500 },
  refuseEncapsulation: true,
  closedUntilKnown: false,
};

/** Changes whenever a table of an older version cannot be taken over element by element. */
export const LAYOUT_VERSION = 1;

export const COUNTERS = ['allowed_egress', 'allowed_ingress', 'denied_egress', 'denied_ingress'] as const;

function map(name: string, type: string, interval = false): SetDeclaration {
  return { name, kind: 'map', type, interval };
}

function set(name: string, type: string, interval = false): SetDeclaration {
  return { name, kind: 'set', type, interval };
}

/** Every set and map there is; none is ever added or removed at run time. */
export const SETS: readonly SetDeclaration[] = [
  ...([4, 6] as const).flatMap((family) => {
    const address = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
    return [
      map(`id${family}`, `${address} : classid`),
      map(`ext${family}`, `${address} : classid`, true),
      map(`in${family}`, `${address} : verdict`),
      map(`eg${family}`, `${address} : verdict`),
      map(`own${family}`, `${address} : verdict`),
      map(`self${family}`, `${address} . ${address} : verdict`),
      set(`known${family}`, address),
      set(`node${family}`, address),
      set(`podcidr${family}`, address, true),
    ];
  }),
  map('exact', 'classid . inet_proto . inet_service : verdict'),
  map('range', 'classid . inet_proto . inet_service : verdict', true),
  map('proto', 'classid . inet_proto : verdict'),
  map('whole', 'classid : verdict'),
  map('gen', 'mark : verdict'),
];

/** `0x00010000`, as nft lists a mark. */
export function markText(mark: number): string {
  return `0x${(mark >>> 0).toString(16).padStart(8, '0')}`;
}

/** The mark of a generation number; numbers go round in the space of the mask. */
export function generationMark(mask: number, generation: number): number {
  const shift = lowestBit(mask);
  const space = (mask >>> shift) + 1;
  // 0 stays free: it is what a connection has that was never judged.
  return (((generation % (space - 1)) + 1) << shift) >>> 0;
}

function lowestBit(mask: number): number {
  return 31 - Math.clz32(mask & -mask);
}

/** The chain with the only rule that names the generation. */
export function stampChain(mask: number, mark: number): ChainContent {
  // The kernel keeps one mask and one value to exclude or in: nft lists the mask with the bits that are set anyway.
  return chain([`ct mark set ct mark & ${markText((~mask | mark) >>> 0)} | ${markText(mark)}`]);
}

function chain(rules: readonly string[], hook: string | null = null): ChainContent {
  return { hook, rules };
}

/** Chains that depend on options only. `nft -nn` lists the rules as they stand here. */
export function staticChains(options: LayoutOptions): ReadonlyMap<string, ChainContent> {
  const out = new Map<string, ChainContent>();
  for (const direction of ['ingress', 'egress'] as const) {
    out.set(`allow_${direction}`, chain([`counter name "allowed_${direction}"`]));
    out.set(`deny_${direction}`, chain(denyRules(options, direction)));
  }
  out.set('self_ok', chain(['meta priority set none', 'jump stamp', 'accept']));
  out.set(
    'invalid',
    chain(['ip saddr @known4 drop', 'ip daddr @known4 drop', 'ip6 saddr @known6 drop', 'ip6 daddr @known6 drop']),
  );
  const generation = `ct mark & ${markText(options.generationMask)} vmap @gen`;
  out.set('established', chain(['ct direction 1 accept', generation, 'goto judge']));
  out.set('established_own', chain(['ct direction 1 accept', generation, 'goto judge_own']));
  out.set('judge', chain(['meta nfproto 2 goto judge4', 'meta nfproto 10 goto judge6']));
  for (const family of [4, 6] as const) {
    out.set(`judge${family}`, chain(judgeRules(options, family)));
    out.set(`judge_own${family}`, chain(judgeOwnRules(options, family)));
  }
  out.set('judge_own', chain(['meta nfproto 2 goto judge_own4', 'meta nfproto 10 goto judge_own6']));
  out.set(
    'forward',
    chain(
      ['ct state vmap { 0x1 : goto invalid, 0x2 : goto established, 0x4 : goto established }', 'goto judge'],
      'type filter hook forward priority -10; policy accept;',
    ),
  );
  out.set(
    'input',
    chain(
      ['iif "lo" accept', 'ct state vmap { 0x2 : goto established_own, 0x4 : goto established_own }', 'goto judge_own'],
      'type filter hook input priority -10; policy accept;',
    ),
  );
  return out;
}

function denyRules(options: LayoutOptions, direction: 'ingress' | 'egress'): readonly string[] {
  const { log } = options;
  const prefix = direction === 'ingress' ? 'D|i|' : 'D|e|';
  return [
    `counter name "denied_${direction}"`,
    ...(log === null
      ? []
      : [
          `limit rate ${log.perSecond}/second burst ${2 * log.perSecond} packets log prefix "${prefix}" group ${log.group} snaplen 64`,
        ]),
    ...(options.deny === 'reject' ? ['meta l4proto 6 reject with tcp reset', 'reject with icmpx 3'] : ['drop']),
  ];
}

/** Neighbour discovery and multicast listeners keep the link itself alive; they are no traffic of pods. */
const LINK_UPKEEP = 'icmpv6 type { 130, 131, 132, 133, 134, 135, 136, 137, 143 } accept';

function judgeRules(options: LayoutOptions, family: Family): readonly string[] {
  const ip = family === 4 ? 'ip' : 'ip6';
  return [
    ...(family === 6 ? [LINK_UPKEEP] : []),
    ...(options.closedUntilKnown
      ? [`${ip} daddr @podcidr${family} ${ip} daddr != @known${family} goto deny_ingress`]
      : []),
    ...sourceRules(options, family),
    `${ip} saddr . ${ip} daddr vmap @self${family}`,
    `${ip} saddr vmap @eg${family}`,
    `${ip} daddr vmap @in${family}`,
    'meta priority set none',
    'goto stamp',
  ];
}

function judgeOwnRules(options: LayoutOptions, family: Family): readonly string[] {
  const ip = family === 4 ? 'ip' : 'ip6';
  return [
    ...(family === 6 ? [LINK_UPKEEP] : []),
    ...sourceRules(options, family),
    `${ip} saddr vmap @own${family}`,
    'meta priority set none',
    'goto stamp',
  ];
}

function sourceRules(options: LayoutOptions, family: Family): readonly string[] {
  const ip = family === 4 ? 'ip' : 'ip6';
  const toNode = `${ip} saddr @known${family} ${ip} daddr @node${family} goto deny_egress`;
  return [
    ...(options.closedUntilKnown
      ? [`${ip} saddr @podcidr${family} ${ip} saddr != @known${family} goto deny_egress`]
      : []),
    ...(options.refuseEncapsulation
      ? [`udp dport { 4789, 6081, 8472 } ${toNode}`, `meta l4proto { 4, 41 } ${toNode}`]
      : []),
  ];
}
