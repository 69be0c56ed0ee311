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
export const LAYOUT_VERSION = 2;

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
      set(`podcidr${family}`, address, true),
    ];
  }),
  // Sets and not maps of verdicts: the kernel walks every map of verdicts whenever a rule or an element brings a jump.
  ...['', 'no_'].flatMap((prefix) => [
    set(`${prefix}exact`, 'classid . inet_proto . inet_service'),
    set(`${prefix}range`, 'classid . inet_proto . inet_service', true),
    set(`${prefix}proto`, 'classid . inet_proto'),
    set(`${prefix}whole`, 'classid'),
  ]),
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

/** The mark that a table gives to connections, by its chain `stamp`; `null` if it gives none. */
export function stampedMark(stamp: ChainContent | undefined): number | null {
  const mark = /\| (0x[0-9a-f]{8})$/.exec(stamp?.rules[0] ?? '')?.[1];
  return mark === undefined ? null : Number(mark) >>> 0;
}

/** The chains that name the generation: what was judged under it is not judged again. */
export function generationChains(options: LayoutOptions, mark: number): ReadonlyMap<string, ChainContent> {
  const mask = options.generationMask;
  const known = [
    // Replies to what was let through.
    'ct direction 1 accept',
    `ct mark ${maskedText(mask, mark)} accept`,
  ];
  const byFamily = (name: string): readonly string[] => [
    `meta nfproto 2 goto ${name}4`,
    `meta nfproto 10 goto ${name}6`,
  ];
  return new Map([
    // The kernel keeps one mask and one value to exclude or in: nft lists the mask with the bits that are set anyway.
    ['stamp', chain([`ct mark set ct mark & ${markText((~mask | mark) >>> 0)} | ${markText(mark)}`])],
    [
      'forward',
      chain(
        [...known, 'ct state 0x1 goto invalid', ...byFamily('judge')],
        'type filter hook forward priority -10; policy accept;',
      ),
    ],
    [
      'input',
      chain(
        ['iif "lo" accept', ...known, ...byFamily('judge_own')],
        'type filter hook input priority -10; policy accept;',
      ),
    ],
  ]);
}

/** `0x00010000/16` where the mask is a prefix, as nft lists it, else `& 0x0000ff00 == 0x00000100`. */
function maskedText(mask: number, mark: number): string {
  const bits = Math.clz32(~mask >>> 0);
  const isPrefix = bits > 0 && mask >>> 0 === (bits === 32 ? 0xffffffff : (~0 << (32 - bits)) >>> 0);
  return isPrefix ? `${markText(mark)}/${bits}` : `& ${markText(mask)} == ${markText(mark)}`;
}

function chain(rules: readonly string[], hook: string | null = null): ChainContent {
  return { hook, rules };
}

/** Chains that depend on options only. `nft -nn` lists the rules as they stand here. */
export function staticChains(options: LayoutOptions): ReadonlyMap<string, ChainContent> {
  const out = new Map<string, ChainContent>();
  for (const direction of ['ingress', 'egress'] as const) {
    out.set(`allow_${direction}`, chain([`counter name "allowed_${direction}"`]));
    // A pod's way to itself through a Service is never open to less than its way to others like it: asked last.
    out.set(
      `deny_${direction}`,
      chain(['ip saddr . ip daddr vmap @self4', 'ip6 saddr . ip6 daddr vmap @self6', `goto drop_${direction}`]),
    );
    out.set(`drop_${direction}`, chain(dropRules(options, direction)));
  }
  out.set('self_ok', chain(['meta priority set none', 'jump stamp', 'accept']));
  out.set(
    'invalid',
    chain(['ip saddr @known4 drop', 'ip daddr @known4 drop', 'ip6 saddr @known6 drop', 'ip6 daddr @known6 drop']),
  );
  for (const family of [4, 6] as const) {
    out.set(`judge${family}`, chain(judgeRules(options, family)));
    out.set(`judge_own${family}`, chain(judgeOwnRules(options, family)));
    if (options.refuseEncapsulation) out.set(`to_node${family}`, chain(encapsulationRules(family)));
  }
  return out;
}

function dropRules(options: LayoutOptions, direction: 'ingress' | 'egress'): readonly string[] {
  const { log } = options;
  const prefix = direction === 'ingress' ? 'D|i|' : 'D|e|';
  return [
    `counter name "denied_${direction}"`,
    // Numbers of generations come round again: what was cut must not be taken for judged then.
    forgetGeneration(options.generationMask),
    ...(log === null
      ? []
      : [
          `limit rate ${log.perSecond}/second burst ${2 * log.perSecond} packets log prefix "${prefix}" group ${log.group} snaplen 64 queue-threshold 1`,
        ]),
    ...(options.deny === 'reject' ? ['meta l4proto 6 reject with tcp reset', 'reject with icmpx 3'] : ['drop']),
  ];
}

function forgetGeneration(mask: number): string {
  const others = ~mask >>> 0;
  return `ct mark set ${others === 0 ? '' : 'ct mark & '}${markText(others)}`;
}

/** Neighbour discovery and multicast listeners keep the link itself alive; they are no traffic of pods. */
const LINK_UPKEEP = 'icmpv6 type { 130, 131, 132, 133, 134, 135, 136, 137, 143 } accept';

/** Looked up here, not in the chains of subjects: binding a map to a rule costs the kernel a walk through the map. */
function identityRules(family: Family, end: 'saddr' | 'daddr'): readonly string[] {
  const peer = `${family === 4 ? 'ip' : 'ip6'} ${end}`;
  return [
    // Whoever is not in the map gets `none` from its last element.
    `meta priority set ${peer} map @id${family}`,
    `meta priority none meta priority set ${peer} map @ext${family}`,
  ];
}

function judgeRules(options: LayoutOptions, family: Family): readonly string[] {
  const ip = family === 4 ? 'ip' : 'ip6';
  return [
    ...(family === 6 ? [LINK_UPKEEP] : []),
    ...(options.closedUntilKnown
      ? [`${ip} daddr @podcidr${family} ${ip} daddr != @known${family} goto deny_ingress`, unknownSource(family)]
      : []),
    ...identityRules(family, 'daddr'),
    `${ip} saddr vmap @eg${family}`,
    ...identityRules(family, 'saddr'),
    `${ip} daddr vmap @in${family}`,
    'meta priority set none',
    'goto stamp',
  ];
}

function judgeOwnRules(options: LayoutOptions, family: Family): readonly string[] {
  const ip = family === 4 ? 'ip' : 'ip6';
  return [
    ...(family === 6 ? [LINK_UPKEEP] : []),
    ...(options.closedUntilKnown ? [unknownSource(family)] : []),
    ...(options.refuseEncapsulation ? encapsulationRules(family) : []),
    ...identityRules(family, 'daddr'),
    `${ip} saddr vmap @own${family}`,
    'meta priority set none',
    'goto stamp',
  ];
}

function unknownSource(family: Family): string {
  const ip = family === 4 ? 'ip' : 'ip6';
  return `${ip} saddr @podcidr${family} ${ip} saddr != @known${family} goto deny_egress`;
}

/** For packets to nodes. */
function encapsulationRules(family: Family): readonly string[] {
  const fromPod = `${family === 4 ? 'ip' : 'ip6'} saddr @known${family} goto deny_egress`;
  return [`udp dport { 4789, 6081, 8472 } ${fromPod}`, `meta l4proto { 4, 41 } ${fromPod}`];
}
