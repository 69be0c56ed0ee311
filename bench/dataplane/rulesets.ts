/** What Rampart's table is compared with, for the same shape of cluster. All are whole files for `nft -f`. */
import { type App, PORTS, type Shape } from './shape.ts';

/** What any stateful firewall costs: connections are tracked, established ones pass. */
export const CONNTRACK_ONLY = `table inet bench {
	chain forward {
		type filter hook forward priority -10; policy accept;
		ct state vmap { established : accept, related : accept, invalid : drop }
	}
}
`;

const list = (elements: readonly string[]): string =>
  elements.length === 0 ? '' : ` elements = { ${elements.join(', ')} };`;

/**
 * As kube-router writes it: a list of jumps by pod address, a chain for each pod that runs the chains of its policies,
 * a set for each side of a rule, and marks that say that some policy matched.
 */
export function linear({ apps, localApps }: Shape): string {
  const local = apps.slice(0, localApps);
  const sets: string[] = [];
  const policies: string[] = [];
  const pods: string[] = [];
  const jumps: string[] = [];
  const ports = [...new Set(PORTS.map(([protocol]) => protocol))].map(
    (protocol) =>
      `${protocol} dport { ${PORTS.filter(([other]) => other === protocol)
        .map(([, port]) => port)
        .join(', ')} }`,
  );
  for (const app of local) {
    sets.push(`	set self_${app.index} { type ipv4_addr;${list(app.addresses)} }`);
    for (const [direction, peers, side, other] of [
      ['in', app.from, 'daddr', 'saddr'],
      ['eg', app.to, 'saddr', 'daddr'],
    ] as const) {
      const rules = peers.flatMap((peer, rule) => {
        const name = `peers_${direction}_${app.index}_${rule}`;
        sets.push(`	set ${name} { type ipv4_addr;${list(appAt(apps, peer).addresses)} }`);
        return ports.flatMap((port) => [
          `		ip ${other} @${name} ip ${side} @self_${app.index} ${port} meta mark set meta mark | 0x10000`,
          `		ip ${other} @${name} ip ${side} @self_${app.index} ${port} meta mark & 0x10000 == 0x10000 return`,
        ]);
      });
      policies.push(`	chain policy_${direction}_${app.index} {\n${rules.join('\n')}\n	}`);
    }
    for (const [replica, address] of app.addresses.entries()) {
      const name = `pod_${app.index}_${replica}`;
      pods.push(`	chain ${name} {
		jump common
		fib saddr type local ip daddr ${address} accept
		jump policy_in_${app.index}
		jump policy_eg_${app.index}
		meta mark & 0x10000 != 0x10000 limit rate 10/minute burst 10 packets log group 100
		meta mark & 0x10000 != 0x10000 reject
		meta mark set meta mark & 0xfffeffff
		meta mark set meta mark | 0x20000
	}`);
      jumps.push(`		ip daddr ${address} jump ${name}`, `		ip saddr ${address} jump ${name}`);
    }
  }
  return `table inet bench {
${sets.join('\n')}
	chain common {
		ct state invalid drop
		ct state established,related accept
		icmp type { destination-unreachable, time-exceeded, echo-request } accept
	}
${policies.join('\n')}
${pods.join('\n')}
	chain forward {
		type filter hook forward priority -10; policy accept;
${jumps.join('\n')}
		meta mark & 0x20000 == 0x20000 accept
	}
}
`;
}

/**
 * The layout that won the survey of layouts: global sets whose keys hold the identity of the peer and the address of the
 * local pod, a chain for each combination of lookups, the generation of the policies in the connection mark.
 */
export function byAddress({ apps, localApps }: Shape): string {
  const identity = (index: number): string => `0:${(0x100 + index).toString(16)}`;
  const elements = (app: App, peers: readonly number[]): readonly string[] =>
    peers.flatMap((peer) =>
      app.addresses.flatMap((address) =>
        PORTS.map(([protocol, port]) => `${identity(peer)} . ${address} . ${protocol} . ${port}`),
      ),
    );
  const local = apps.slice(0, localApps);
  const addresses = local.flatMap((app) => app.addresses);
  return `table inet bench {
	map gen { type mark : verdict; elements = { 0x1 : goto same_generation }; }
	map id4 { type ipv4_addr : classid;${list(apps.flatMap((app) => app.addresses.map((address) => `${address} : ${identity(app.index)}`)))} }
	set podcidr4 { type ipv4_addr; flags interval; }
	set known4 { type ipv4_addr;${list(addresses)} }
	set self4 { type ipv4_addr . ipv4_addr;${list(addresses.map((address) => `${address} . ${address}`))} }
	set in4_l3l4 { type classid . ipv4_addr . inet_proto . inet_service;${list(local.flatMap((app) => elements(app, app.from)))} }
	set eg4_l3l4 { type classid . ipv4_addr . inet_proto . inet_service;${list(local.flatMap((app) => elements(app, app.to)))} }
	chain deny_in {
		ip saddr . ip daddr @self4 return
		limit rate 500/second burst 1000 packets log prefix "D|i|" group 77 snaplen 64
		counter drop
	}
	chain deny_eg {
		ip saddr . ip daddr @self4 return
		limit rate 500/second burst 1000 packets log prefix "D|e|" group 77 snaplen 64
		counter drop
	}
	chain in4_np1 {
		meta priority set 0:0
		meta priority set ip saddr map @id4
		meta priority . ip daddr . meta l4proto . th dport @in4_l3l4 return
		goto deny_in
	}
	chain eg4_np1 {
		meta priority set 0:0
		meta priority set ip daddr map @id4
		meta priority . ip saddr . meta l4proto . th dport @eg4_l3l4 return
		goto deny_eg
	}
	map in4 { type ipv4_addr : verdict;${list(addresses.map((address) => `${address} : jump in4_np1`))} }
	map eg4 { type ipv4_addr : verdict;${list(addresses.map((address) => `${address} : jump eg4_np1`))} }
	chain eval {
		ip daddr @podcidr4 ip daddr != @known4 goto deny_in
		ip saddr @podcidr4 ip saddr != @known4 goto deny_eg
		ip saddr vmap @eg4
		ip daddr vmap @in4
		meta priority set 0:0
		ct mark set ct mark & 0xffff0000 | 0x00000001
	}
	chain same_generation {
		accept
	}
	chain est {
		ct direction reply accept
		ct mark & 0x0000ffff vmap @gen
		goto eval
	}
	chain forward {
		type filter hook forward priority -10; policy accept;
		ct state vmap { established : goto est, related : goto est, new : goto eval }
		ct state invalid ip saddr @known4 drop
		ct state invalid ip daddr @known4 drop
	}
	chain input {
		type filter hook input priority -10; policy accept;
		iif lo accept
		ct state established,related accept
		ip saddr vmap @eg4
	}
}
`;
}

function appAt(apps: readonly App[], index: number): App {
  const app = apps[index];
  if (app === undefined) throw new Error(`there is no application ${index}`);
  return app;
}
