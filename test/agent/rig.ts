import type { Compiler } from '../../src/agent/compiler.ts';
import { type Loop, syncLoop, type Timing } from '../../src/agent/loop.ts';
import type { Committed, Observer } from '../../src/agent/observer.ts';
import { SILENT } from '../../src/agent/observers.ts';
import { type AgentState, agentState } from '../../src/agent/state.ts';
import { parseIp } from '../../src/base/ip.ts';
import type { WatchedResource } from '../../src/io/watch-event.ts';
import type { JsonObject } from '../../src/manifest/object.ts';
import { DEFAULT_LAYOUT, type LayoutOptions } from '../../src/targets/nftables/layout.ts';
import { NodeCompiler } from '../../src/targets/nftables/node-compiler.ts';
import { firstPacket } from '../../src/targets/nftables/packet.ts';
import { parseTable } from '../../src/targets/nftables/parse.ts';
import { simulatorOf } from '../../src/targets/nftables/simulate.ts';
import type { TableContent } from '../../src/targets/nftables/table.ts';
import { type FakeClock, fakeClock } from '../support/fake-clock.ts';
import { type FakeNft, fakeNft } from '../support/fake-nft.ts';

/** A loop with everything around it that is not the outside world, and a record of what it tells. */
export interface Rig {
  readonly state: AgentState;
  readonly loop: Loop;
  readonly kernel: FakeNft;
  readonly clock: FakeClock;
  /** `drifted gone`, `failed …`, `loaded first`, `policyFailed ID`, … */
  readonly told: string[];
  readonly committed: Committed[];
  put(resource: WatchedResource, object: JsonObject): void;
  remove(resource: WatchedResource, object: JsonObject): void;
  list(lists: Partial<Record<WatchedResource, readonly JsonObject[]>>): void;
  /** Whether a TCP connection between two addresses passes the node's forward hook. */
  passes(source: string, destination: string, port: number): boolean;
}

export interface RigOptions {
  readonly node?: string;
  readonly kernel?: FakeNft;
  readonly layout?: () => LayoutOptions;
  readonly timing?: Partial<Timing>;
  readonly wrap?: (compiler: NodeCompiler) => Compiler;
}

const TIMING: Timing = { coalesceMs: 50, coalesceLimitMs: 200, verifyMs: 60_000, canaryMs: 5000 };
const ALL: readonly WatchedResource[] = [
  'pods',
  'namespaces',
  'nodes',
  'networkpolicies',
  'clusternetworkpolicies',
  'adminnetworkpolicies',
  'baselineadminnetworkpolicies',
];

/** A rig that has not listed anything. */
export function rig(options: RigOptions = {}): Rig {
  const { node = 'n1', kernel = fakeNft('rampart'), layout = () => DEFAULT_LAYOUT } = options;
  const state = agentState({ node });
  const clock = fakeClock();
  const told: string[] = [];
  const committed: Committed[] = [];
  const observer: Observer = {
    ...SILENT,
    committed: (what) => {
      committed.push(what);
    },
    loaded: (reasons) => told.push(`loaded ${reasons.join(',')}`),
    drifted: (reason) => told.push(`drifted ${reason}`),
    failed: (message, retryMs) => told.push(`failed ${retryMs} ${message}`),
    policyFailed: (id) => told.push(`policyFailed ${id}`),
    policyHealed: (id) => told.push(`policyHealed ${id}`),
  };
  const loop = syncLoop({
    state,
    makeCompiler: () => {
      const compiler = new NodeCompiler({ node, layout: layout() });
      return options.wrap?.(compiler) ?? compiler;
    },
    kernel,
    parse: parseTable,
    timing: () => ({ ...TIMING, ...options.timing }),
    clock,
    observer,
    canary: 'add counter inet rampart denied_ingress\n',
  });
  const take = (event: Parameters<AgentState['take']>[0]): void => {
    if (state.take(event)) loop.changed();
  };
  return {
    state,
    loop,
    kernel,
    clock,
    told,
    committed,
    put: (resource, object) => take({ kind: 'put', resource, object }),
    remove: (resource, object) => take({ kind: 'removed', resource, object }),
    list(lists) {
      for (const resource of ALL) take({ kind: 'listed', resource, objects: lists[resource] ?? [] });
    },
    passes(source, destination, port) {
      const content = kernel.content();
      if (content === null) return true;
      return isAccepted(content, source, destination, port);
    },
  };
}

function isAccepted(content: TableContent, source: string, destination: string, port: number): boolean {
  const from = parseIp(source);
  const to = parseIp(destination);
  if (from === null || to === null) throw new Error(`${source} → ${destination}`);
  return simulatorOf(content)(firstPacket(from, to, 6, port)).verdict === 'accept';
}
