import { describe, expect, it } from 'vitest';
import { type Facts, judge } from './preflight.ts';

const SYSCTLS = {
  'net.bridge.bridge-nf-call-iptables': '1',
  'net.bridge.bridge-nf-call-ip6tables': '1',
  'net.ipv4.ip_forward': '1',
  'net.ipv6.conf.all.forwarding': '0',
  'net.netfilter.nf_conntrack_tcp_loose': '0',
};

function findings(
  more: Partial<Facts> & { readonly without?: readonly string[]; readonly set?: Readonly<Record<string, string>> } = {},
): readonly string[] {
  const sysctls = new Map(
    Object.entries({ ...SYSCTLS, ...more.set }).filter(([name]) => more.without?.includes(name) !== true),
  );
  const facts: Facts = {
    nftVersion: 'nftables v1.0.6',
    nftFault: null,
    mayChangeNetwork: true,
    bridges: [],
    sysctls,
    ...more,
  };
  return judge({ ...facts, sysctls }).flatMap(({ severity, name, message, help }) =>
    severity === 'fine' ? [] : [`${severity} ${name}: ${message} | ${help}`],
  );
}

const CALLS = ['net.bridge.bridge-nf-call-iptables', 'net.bridge.bridge-nf-call-ip6tables'];

describe('a node', () => {
  it('that has everything gives no finding', () => {
    expect(findings()).toEqual([]);
  });

  it('without nft, or whose nft does not take the table, cannot enforce', () => {
    expect(findings({ nftVersion: null })).toEqual([
      'error nft: there is no program `nft` | install the package `nftables` (1.0.6 or later), or name the program with --nft',
    ]);
    const refused = { kind: 'refused', message: 'syntax error', line: 3, excerpt: 'icmpx' } as const;
    expect(findings({ nftFault: refused })[0]).toMatch(
      /^error nft: nftables v1.0.6 does not take the table: syntax error: `icmpx`/,
    );
    const broken = { kind: 'broken', message: 'Operation not permitted', signal: null } as const;
    expect(findings({ nftFault: broken, mayChangeNetwork: false }).map((line) => line.split(':')[0])).toEqual([
      'error nft',
      'error capabilities',
    ]);
  });

  it('with bridges needs to see what crosses them', () => {
    expect(findings({ bridges: ['cni0'], without: CALLS })).toEqual([
      'warning bridges: br_netfilter is not loaded: policies do not bind pods of this node that `cni0` connects | modprobe br_netfilter && sysctl -w net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1 (`rampart agent --init` does so)',
    ]);
    expect(findings({ bridges: null, set: { 'net.bridge.bridge-nf-call-ip6tables': '0' } })).toEqual([
      'warning bridges: net.bridge.bridge-nf-call-ip6tables is off: policies do not bind pods of this node that a bridge connects | sysctl -w net.bridge.bridge-nf-call-ip6tables=1 (`rampart agent --init` does so)',
    ]);
    expect(findings({ bridges: [], without: CALLS })).toEqual([]);
  });

  it('that forwards nothing has no pods to guard', () => {
    expect(findings({ set: { 'net.ipv4.ip_forward': '0' } })[0]).toMatch(/^warning forwarding: /);
    expect(findings({ set: { 'net.ipv4.ip_forward': '0', 'net.ipv6.conf.all.forwarding': '1' } })).toEqual([]);
  });
});
