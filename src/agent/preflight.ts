import type { Kernel, KernelFault } from '../io/kernel.ts';
import type { Nft } from '../io/nft.ts';
import { bridgesWithPorts, loadModule, mayChangeNetwork, readSysctl, writeSysctl } from '../io/sysctl.ts';
import { DesiredTable } from '../targets/nftables/desired.ts';
import { layoutOf } from './config.ts';
import type { Config } from './settings.ts';

/** What there is to know of a node before policies can be enforced on it. */
export interface Facts {
  readonly nftVersion: string | null;
  /** What nft says to a table such as ours. */
  readonly nftFault: KernelFault | null;
  /** `null`: cannot be told. */
  readonly mayChangeNetwork: boolean | null;
  /** Bridges with ports; `null`: cannot be told. */
  readonly bridges: readonly string[] | null;
  /** Values by sysctl; absent where there is none. */
  readonly sysctls: ReadonlyMap<string, string>;
}

/** One thing that was looked at. */
export interface Finding {
  readonly name: string;
  /** `error`: policies are not enforced so; `warning`: they may not be, or not all. */
  readonly severity: 'fine' | 'warning' | 'error';
  readonly message: string;
  /** How to mend it. */
  readonly help: string | null;
}

const BRIDGE_CALLS = ['net.bridge.bridge-nf-call-iptables', 'net.bridge.bridge-nf-call-ip6tables'] as const;
const FORWARDING = ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding'] as const;
const LOOSE = 'net.netfilter.nf_conntrack_tcp_loose';

/** Looks at the node; changes nothing. */
export async function gatherFacts(sources: {
  readonly kernel: Pick<Kernel, 'check'> & Pick<Nft, 'version'>;
  readonly config: Config;
}): Promise<Facts> {
  const nftVersion = await sources.kernel.version();
  const trial = { ...layoutOf(sources.config), table: `${sources.config.table}_trial` };
  const nftFault = nftVersion === null ? null : await sources.kernel.check(new DesiredTable(trial).replaceAll().text);
  const sysctls = new Map<string, string>();
  for (const name of [...BRIDGE_CALLS, ...FORWARDING, LOOSE]) {
    const value = readSysctl(name);
    if (value !== null) sysctls.set(name, value);
  }
  return { nftVersion, nftFault, mayChangeNetwork: mayChangeNetwork(), bridges: bridgesWithPorts(), sysctls };
}

/** What the facts mean for the enforcement of policies. */
export function judge(facts: Facts): readonly Finding[] {
  return [
    nftFinding(facts),
    capabilityFinding(facts),
    ...bridgeFindings(facts),
    ...forwardingFindings(facts),
    ...looseFinding(facts),
  ];
}

function fine(name: string, message: string): Finding {
  return { name, severity: 'fine', message, help: null };
}

function nftFinding({ nftVersion, nftFault }: Facts): Finding {
  if (nftVersion === null) {
    const help = 'install the package `nftables` (1.0.6 or later), or name the program with --nft';
    return { name: 'nft', severity: 'error', message: 'there is no program `nft`', help };
  }
  if (nftFault === null) return fine('nft', `${nftVersion} takes all that the table needs`);
  const help =
    nftFault.kind === 'refused'
      ? 'the kernel or nft lacks an expression: nf_tables with conntrack, log and reject is needed, nft 1.0.6 or later'
      : 'the agent needs the capability NET_ADMIN in the network namespace of its node';
  const where = nftFault.kind === 'refused' && nftFault.excerpt !== null ? `: \`${nftFault.excerpt}\`` : '';
  return {
    name: 'nft',
    severity: 'error',
    message: `${nftVersion} does not take the table: ${nftFault.message}${where}`,
    help,
  };
}

function capabilityFinding(facts: Facts): Finding {
  if (facts.mayChangeNetwork !== false) return fine('capabilities', 'the process may change the network');
  return {
    name: 'capabilities',
    severity: 'error',
    message: 'the process lacks the capability NET_ADMIN',
    help: 'run as root with NET_ADMIN, as the manifests in deploy/ do',
  };
}

function bridgeFindings({ bridges, sysctls }: Facts): readonly Finding[] {
  const off = BRIDGE_CALLS.filter((name) => sysctls.get(name) !== '1');
  if (off.length === 0) return [fine('bridges', 'packets between ports of a bridge are seen')];
  if (bridges !== null && bridges.length === 0) return [fine('bridges', 'no bridge connects pods')];
  const isMissing = off.some((name) => !sysctls.has(name));
  const what = isMissing ? 'br_netfilter is not loaded' : `${off.join(' and ')} ${off.length === 1 ? 'is' : 'are'} off`;
  const which = bridges === null ? 'a bridge' : bridges.map((name) => `\`${name}\``).join(', ');
  return [
    {
      name: 'bridges',
      severity: 'warning',
      message: `${what}: policies do not bind pods of this node that ${which} connects`,
      help: `${isMissing ? 'modprobe br_netfilter && ' : ''}sysctl -w ${off.map((name) => `${name}=1`).join(' ')} (\`rampart agent --init\` does so)`,
    },
  ];
}

function forwardingFindings({ sysctls }: Facts): readonly Finding[] {
  if (FORWARDING.some((name) => sysctls.get(name) === '1')) return [fine('forwarding', 'the node forwards packets')];
  const help = 'the CNI plugin turns on net.ipv4.ip_forward or net.ipv6.conf.all.forwarding; see whether it works';
  return [{ name: 'forwarding', severity: 'warning', message: 'the node forwards no packets', help }];
}

function looseFinding({ sysctls }: Facts): readonly Finding[] {
  if (sysctls.get(LOOSE) !== '1') return [];
  const message = `${LOOSE} is on: a connection that the kernel has forgotten is judged again by whichever packet comes first`;
  return [{ name: 'conntrack', severity: 'fine', message, help: null }];
}

/** What `--init` has done. */
export interface Mended {
  readonly done: readonly string[];
  readonly failed: readonly string[];
}

/** Makes packets between ports of a bridge visible to the table, as far as that is permitted. */
export async function mendBridges(): Promise<Mended> {
  const done: string[] = [];
  const failed: string[] = [];
  if (BRIDGE_CALLS.some((name) => readSysctl(name) === null)) {
    const problem = await loadModule('br_netfilter');
    if (problem === null) done.push('loaded br_netfilter');
    else failed.push(`br_netfilter cannot be loaded: ${problem}`);
  }
  for (const name of BRIDGE_CALLS) {
    const value = readSysctl(name);
    if (value === null || value === '1') continue;
    const problem = writeSysctl(name, '1');
    if (problem === null) done.push(`set ${name}=1`);
    else failed.push(`${name} cannot be set: ${problem}`);
  }
  return { done, failed };
}
