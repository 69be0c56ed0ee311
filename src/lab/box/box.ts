import { existsSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { IoError } from '../../io/io-error.ts';
import type { LabDns, LabNode, LabPlan, LabPod, LabService } from '../model.ts';
import { type PodProcess, startPodProcess } from '../pod/process.ts';
import type { Listener } from '../pod-protocol.ts';
import { servicesTable } from '../services.ts';
import { inNetns, inParallel, ipBatch, must } from './commands.ts';
import {
  announcedRoutes,
  fabricBatch,
  nodeBatch,
  nodeSysctls,
  OUTSIDE_NETNS,
  OUTSIDE_PORT,
  outsideBatch,
  outsideRules,
  type PodNetwork,
  podBatch,
  podLinkBatch,
  podPortBatch,
  strayRoutes,
  wire,
} from './wiring.ts';

const PARALLEL = 8;

export interface BoxOptions {
  readonly plan: LabPlan;
  readonly cni: PodNetwork;
  readonly deny: 'drop' | 'reject';
  /** A folder of the box's own, for the files of pods. */
  readonly folder: string;
  readonly podProgram: string;
  readonly log: (line: string) => void;
}

/** Somebody in the box who can ask and be asked. */
export interface Actor {
  readonly id: string;
  readonly netns: string;
  process: PodProcess | null;
  state: 'starting' | 'running' | 'failed';
  detail: string;
  silent: readonly (Listener & { readonly why: string })[];
}

interface PodActor extends Actor {
  readonly pod: LabPod;
  /** Its end in the node's namespace; `null` on the host network. */
  readonly link: string | null;
  /** Of its files. */
  readonly folder: string;
}

/** What is made of namespaces and links. It is never taken down in order: it dies with the box. */
export interface Box {
  readonly actors: ReadonlyMap<string, Actor>;
  build(): Promise<void>;
  /** Starts pods that are not there yet; one that cannot be started is `failed`, and the others go on. */
  addPods(pods: readonly LabPod[]): Promise<void>;
  removePods(ids: readonly string[]): Promise<void>;
  listen(id: string, listeners: readonly Listener[]): Promise<void>;
  /** Brings every node's translation of Services, the announced addresses and the names up to date. */
  setServices(services: readonly LabService[], dns: LabDns | null): Promise<void>;
  services(): readonly LabService[];
  netnsOf(node: string): string | null;
  pods(): readonly PodActor[];
}

export function makeBox(options: BoxOptions): Box {
  const { plan, log } = options;
  const wiring = wire(plan, options.cni);
  const nodes = new Map(plan.nodes.map((node) => [node.name, node]));
  const actors = new Map<string, Actor>();
  const pods = new Map<string, PodActor>();
  const announced = new Map<string, string>();
  let services: readonly LabService[] = plan.services;
  let dns: LabDns | null = plan.dns;
  let number = 0;

  const netnsOf = (node: string): string | null => wiring.netnsOf.get(node) ?? null;

  async function build(): Promise<void> {
    await ipBatch(null, fabricBatch(wiring));
    const bridged = existsSync('/proc/sys/net/bridge/bridge-nf-call-iptables');
    if (options.cni === 'bridge' && !bridged) {
      throw new IoError(
        'tool-missing',
        'this kernel does not show bridged packets to nftables: br_netfilter is missing',
        {
          help: 'use --cni ptp, or load it as root: modprobe br_netfilter',
        },
      );
    }
    const settings = nodeSysctls(bridged)
      .map(([key, value]) => `if [ -e /proc/sys/${key} ]; then echo ${value} >/proc/sys/${key} || exit 1; fi`)
      .join('\n');
    await must(['sh', '-c', 'for f in /proc/sys/net/bridge/bridge-nf-call-*; do [ -e "$f" ] && echo 0 >"$f"; done; :']);
    await inParallel(plan.nodes, PARALLEL, async (node) => {
      const netns = netnsOf(node.name) ?? '';
      await must(inNetns(netns, ['sh', '-c', `${settings}\nexec ip -batch -`]), lines(nodeBatch(wiring, node)));
      await startActor(node.name, `node:${node.name}`, netns, null);
    });
    await ipBatch(OUTSIDE_NETNS, outsideBatch(wiring, plan));
    await must(inNetns(OUTSIDE_NETNS, ['nft', '-f', '-']), outsideRules());
    const outside = await startActor('outside', 'outside', OUTSIDE_NETNS, null);
    await listenAs(
      outside,
      ['TCP', 'UDP'].map((protocol) => ({ protocol: protocol as 'TCP' | 'UDP', port: OUTSIDE_PORT })),
      null,
    );
  }

  async function startActor(hostname: string, id: string, netns: string, folder: string | null): Promise<Actor> {
    const actor: Actor = { id, netns, process: null, state: 'starting', detail: '', silent: [] };
    actors.set(id, actor);
    run(actor, hostname, folder ?? options.folder);
    return actor;
  }

  function run(actor: Actor, hostname: string, folder: string): void {
    actor.process = startPodProcess(options.podProgram, {
      name: actor.id,
      hostname: hostname.slice(0, 63),
      netns: actor.netns,
      folder,
      deny: options.deny,
      onExit: (detail) => {
        actor.state = 'failed';
        actor.detail = detail;
        actor.process = null;
        log(`${actor.id}: ${detail}`);
      },
    });
  }

  async function listenAs(
    actor: Actor,
    listeners: readonly Listener[],
    addresses: readonly string[] | null,
  ): Promise<void> {
    try {
      actor.silent = (await actor.process?.listen(listeners, addresses)) ?? [];
      if (actor.state === 'starting') actor.state = 'running';
    } catch (error) {
      actor.state = 'failed';
      actor.detail = error instanceof Error ? error.message : String(error);
    }
  }

  async function addPods(wanted: readonly LabPod[]): Promise<void> {
    const fresh: {
      readonly actor: PodActor;
      readonly node: LabNode;
      readonly folder: string;
      readonly number: number;
    }[] = [];
    for (const pod of wanted) {
      const node = nodes.get(pod.node);
      if (node === undefined || pods.has(pod.id)) continue;
      number += 1;
      const netns = pod.hostNetwork ? (netnsOf(pod.node) ?? '') : `pod${number}`;
      const link = pod.hostNetwork ? null : `pod${number}`;
      const actor: PodActor = {
        id: pod.id,
        netns,
        pod,
        link,
        folder: `${options.folder}/${number}`,
        process: null,
        state: 'starting',
        detail: '',
        silent: [],
      };
      pods.set(pod.id, actor);
      actors.set(pod.id, actor);
      fresh.push({ actor, node, folder: `${options.folder}/${number}`, number });
    }
    for (const one of fresh) writeFiles(one.actor, one.node, one.folder, one.number);
    const linked = fresh.filter(({ actor }) => actor.link !== null);
    await ipBatch(
      null,
      linked.flatMap(({ actor, node }) =>
        podLinkBatch(actor.pod, actor.netns, actor.link ?? '', netnsOf(node.name) ?? ''),
      ),
    );
    await inParallel([...nodes.values()], PARALLEL, async (node) => {
      const own = linked
        .filter((one) => one.node === node)
        .flatMap(({ actor }) => podPortBatch(wiring, node, actor.pod, actor.link ?? ''));
      const others = linked.filter((one) => one.node !== node).flatMap((one) => strayRoutes(one.node, one.actor.pod));
      await ipBatch(netnsOf(node.name), [...own, ...others]);
    });
    await ipBatch(
      OUTSIDE_NETNS,
      linked.flatMap(({ node, actor }) => strayRoutes(node, actor.pod)),
    );
    await inParallel(fresh, PARALLEL, async ({ actor, folder }) => {
      run(actor, actor.pod.hostNetwork ? actor.pod.node : (actor.pod.hostname ?? actor.pod.name), folder);
      await listenAs(actor, actor.pod.listeners, actor.pod.hostNetwork ? actor.pod.addresses : null);
    });
  }

  function writeFiles(actor: PodActor, node: LabNode, folder: string, own: number): void {
    mkdirSync(folder, { recursive: true });
    const { pod } = actor;
    if (!pod.hostNetwork) writeFileSync(`${folder}/net`, lines(podBatch(wiring, node, pod, own)));
    const name = pod.hostname ?? pod.name;
    const full =
      pod.subdomain === null || dns === null
        ? name
        : `${name}.${pod.subdomain}.${pod.namespace}.svc.${dns.domain}\t${name}`;
    const hosts = pod.addresses.map((address) => `${address}\t${full}`);
    writeFileSync(
      `${folder}/hosts`,
      lines(['127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback', ...hosts]),
    );
    writeResolver(actor);
  }

  /** Written in place, since the pod has it mounted. */
  function writeResolver({ pod, folder }: PodActor): void {
    if (pod.hostNetwork) return;
    const search = dns === null ? [] : [`${pod.namespace}.svc.${dns.domain}`, `svc.${dns.domain}`, dns.domain];
    // The C library asks the first three and ignores the rest.
    const servers = (dns?.addresses ?? []).slice(0, 3).map((address) => `nameserver ${address}`);
    const rest = dns === null ? [] : [`search ${search.join(' ')}`, 'options ndots:5'];
    writeFileSync(`${folder}/resolv.conf`, lines([...servers, ...rest]));
  }

  async function removePods(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      const actor = pods.get(id);
      if (actor === undefined) continue;
      pods.delete(id);
      actors.delete(id);
      actor.process?.stop();
      if (actor.link === null) continue;
      // The routes to it go with the link; its name goes with the last process in it.
      await ipBatch(netnsOf(actor.pod.node), [`link del ${actor.link}`]);
      await ipBatch(null, [`netns del ${actor.netns}`]);
    }
  }

  let translating: Promise<void> | null = null;
  let stale = false;

  /** One at a time; what is asked for meanwhile is done together, with what holds then. */
  function translate(): Promise<void> {
    stale = true;
    translating ??= (async () => {
      try {
        while (stale) {
          stale = false;
          await translateOnce();
        }
      } finally {
        translating = null;
      }
    })();
    return translating;
  }

  async function translateOnce(): Promise<void> {
    const all = [...pods.values()].map(({ pod }) => pod);
    const stray = all.filter(({ hostNetwork }) => !hostNetwork).flatMap(({ addresses }) => addresses);
    const podRanges = [...plan.nodes.flatMap(({ podCidrs }) => podCidrs), ...plan.ranges.pods, ...stray];
    await inParallel(plan.nodes, PARALLEL, async (node) => {
      const netns = netnsOf(node.name) ?? '';
      await must(inNetns(netns, ['nft', '-f', '-']), servicesTable({ node, services, pods: all, podRanges }));
    });
    await announce();
    await tellNames();
  }

  async function announce(): Promise<void> {
    const wanted = announcedRoutes(wiring, services);
    const batch: string[] = [];
    for (const address of announced.keys()) if (!wanted.has(address)) batch.push(`route del ${address}`);
    for (const [address, via] of wanted) {
      if (announced.get(address) !== via) batch.push(`route replace ${address} via ${via} dev eth0`);
    }
    await ipBatch(OUTSIDE_NETNS, batch);
    announced.clear();
    for (const [address, via] of wanted) announced.set(address, via);
  }

  async function tellNames(): Promise<void> {
    if (dns === null) return;
    const zone = {
      domain: dns.domain,
      services,
      pods: [...pods.values()].map(({ pod }) => ({
        id: pod.id,
        addresses: pod.addresses,
        hostname: pod.hostname,
        subdomain: pod.subdomain,
      })),
    };
    await inParallel(dns.pods, PARALLEL, async (id) => {
      try {
        await pods.get(id)?.process?.zone(zone);
      } catch (error) {
        log(`names: ${error instanceof Error ? error.message : String(error)}`);
      }
    });
  }

  return {
    actors,
    build,
    addPods,
    removePods,
    listen: async (id, listeners) => {
      const actor = pods.get(id);
      if (actor !== undefined) await listenAs(actor, listeners, actor.pod.hostNetwork ? actor.pod.addresses : null);
    },
    setServices: (now, names) => {
      services = now;
      const isSame =
        JSON.stringify([dns?.addresses, dns?.domain]) === JSON.stringify([names?.addresses, names?.domain]);
      dns = names;
      if (!isSame) for (const actor of pods.values()) writeResolver(actor);
      return translate();
    },
    services: () => services,
    netnsOf,
    pods: () => [...pods.values()],
  };
}

function lines(of: readonly string[]): string {
  return `${of.join('\n')}\n`;
}

/**
 * Gives the box a `/run` of its own, in which only its state folder is the machine's, so that names of network namespaces
 * and sockets of programs meet nobody's.
 */
export async function coverRun(stateFolder: string): Promise<void> {
  const staging = `${stateFolder}/run`;
  await must(['mount', '-n', '-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', staging]);
  if (stateFolder.startsWith('/run/')) {
    const inside = `${staging}${stateFolder.slice('/run'.length)}`;
    mkdirSync(inside, { recursive: true });
    await must(['mount', '-n', '--bind', stateFolder, inside]);
  }
  mkdirSync(`${staging}/netns`, { recursive: true });
  mkdirSync(`${staging}/lab`);
  keepResolvConf(staging);
  await must(['mount', '-n', '--move', staging, '/run']);
}

/** Where `/etc/resolv.conf` leads into `/run`, pods need a file there that theirs can be mounted over. */
function keepResolvConf(staging: string): void {
  try {
    const target = resolve('/etc', readlinkSync('/etc/resolv.conf')).replace(/^\/var\/run\//, '/run/');
    if (!target.startsWith('/run/')) return;
    const inside = `${staging}${target.slice('/run'.length)}`;
    mkdirSync(dirname(inside), { recursive: true });
    writeFileSync(inside, existsSync(target) ? readFileSync(target) : '');
  } catch {
    // It is no link: it stays where it is.
  }
}
