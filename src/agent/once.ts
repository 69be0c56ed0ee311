import { type Cidr, formatCidr, parseCidr } from '../base/ip.ts';
import { interner } from '../cluster/intern.ts';
import { IoError, reasonOf } from '../io/io-error.ts';
import { isFault, type Kernel } from '../io/kernel.ts';
import { isObject, messageOf, objectsOf, openClient } from '../io/kube-client.ts';
import { connect, isClusterNamed } from '../io/kubeconfig.ts';
import { lockNamespace } from '../io/namespace-lock.ts';
import { nftKernel } from '../io/nft.ts';
import { follow } from '../io/watch.ts';
import type { Cluster } from '../model/cluster.ts';
import type { PolicyProgram } from '../model/program.ts';
import type { DesiredTable } from '../targets/nftables/desired.ts';
import { NodeCompiler } from '../targets/nftables/node-compiler.ts';
import { parseTable } from '../targets/nftables/parse.ts';
import { conditionsLeft, type TakenBack, takeBackConditions } from './conditions.ts';
import { anyGeneration, layoutOf } from './config.ts';
import { kubeObject, seenNode } from './objects.ts';
import { type Finding, gatherFacts, judge, type Mended, mendBridges } from './preflight.ts';
import { waitingFor } from './readiness.ts';
import { choiceOf, nodeOf, stateFor } from './run.ts';
import type { Config } from './settings.ts';

/** What is enforced: from manifests, or as the API server has it. */
export interface Wanted {
  readonly cluster: Cluster;
  readonly program: PolicyProgram;
  /** Where the addresses of this node's pods come from, if that is known. */
  readonly podRanges?: readonly Cidr[];
}

/** Lists everything from the API server once. Throws {@link IoError}. */
export async function listWanted(config: Config, env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<Wanted> {
  const client = openClient(await connect(choiceOf(config), env));
  // Whoever follows waits for a server that is away; whoever asks once wants to know.
  await client.get('/version');
  const state = stateFor(config);
  const follower = follow(client, {}, (event) => {
    state.take(event);
  });
  try {
    await Promise.race([follower.ready, interrupted(signal)]);
    const waits = waitingFor(state);
    if (waits.length > 0) throw new IoError('forbidden', `cannot read ${waits.join(', ')}`);
    state.drain();
    return { ...state.snapshot(), podRanges: state.podRanges() };
  } finally {
    await follower.stop();
    client.close();
  }
}

function interrupted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = (): void => reject(new IoError('interrupted', 'interrupted'));
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

/** The compiler that has taken in what is wanted; `before` may tell its table what the kernel has. */
function compile(
  config: Config,
  wanted: Wanted,
  generation: number,
  before: (desired: DesiredTable) => void,
): DesiredTable {
  const compiler = new NodeCompiler({ node: nodeOf(config), layout: layoutOf(config), generation });
  before(compiler.desired);
  const own = config.podCidr.flatMap((text) => parseCidr(text) ?? []);
  compiler.setPodRanges(own.length > 0 ? own : (wanted.podRanges ?? []));
  compiler.load(wanted.cluster, wanted.program);
  compiler.settle();
  return compiler.desired;
}

/** The ruleset that would be loaded: `nft -f -` takes it, whatever is there. */
export function rulesetText(config: Config, wanted: Wanted, generation = 0): string {
  return compile(config, wanted, generation, () => undefined).replaceAll().text;
}

/** Brings the kernel to what is wanted; the answer is the number of changes. Throws {@link IoError}. */
export async function applyOnce(config: Config, wanted: Wanted): Promise<number> {
  const lock = await lockNamespace(lockName(config));
  try {
    return await bring(kernelOf(config), config, wanted);
  } finally {
    await lock.release();
  }
}

async function bring(kernel: Kernel, config: Config, wanted: Wanted): Promise<number> {
  const answer = await kernel.list();
  if (isFault(answer)) throw new IoError('tool-failed', answer.message);
  const found = answer.text === null ? null : parseTable(answer.text);
  const readable = found === null || 'error' in found ? null : found;
  const desired = compile(config, wanted, anyGeneration(), (table) => table.rebase(readable));
  if (!desired.pending()) return 0;
  const first = desired.transaction();
  if (first.ahead !== '') await kernel.apply(first.ahead);
  const fault = await kernel.apply(first.text);
  if (fault === null) return first.changes;
  const whole = desired.replaceAll();
  const again = fault.kind === 'refused' ? await kernel.apply(whole.text) : fault;
  if (again === null) return whole.changes;
  throw new IoError('tool-failed', again.message);
}

/** What `cleanUp` has come to. */
export interface CleanedUp {
  /** Whether there was a table. */
  readonly table: boolean;
  readonly conditions: TakenBack;
  /** What to do about conditions that may be left. */
  readonly help: string;
}

/** So long an API server may keep waiting who takes the agent off a node. */
const PATIENCE_MS = 5000;

/**
 * Removes the table, then what agents have said of policies for this node, as far as an API server lets us. Throws
 * {@link IoError} where the table cannot be removed.
 */
export async function cleanUp(config: Config, env: NodeJS.ProcessEnv): Promise<CleanedUp> {
  const lock = await lockNamespace(lockName(config));
  try {
    const table = await removeTable(config);
    const conditions = await takeBack(config, env);
    return { table, conditions, help: config.node === null ? NAME_IT : ASK_AGAIN };
  } finally {
    await lock.release();
  }
}

const NAME_IT = 'pass --node NAME, as `kubectl get nodes` lists it, or set RAMPART_AGENT_NODE';
const ASK_AGAIN =
  'run it again where the API server answers, and lets policies be listed and their status be patched; agents of other nodes take back minutes later what was said for a Node that is deleted';

async function removeTable(config: Config): Promise<boolean> {
  const fault = await kernelOf(config).apply(`delete table inet ${config.table}\n`);
  if (fault === null) return true;
  if (fault.kind === 'refused' && /No such file or directory/.test(fault.message)) return false;
  throw new IoError('tool-failed', fault.message);
}

async function takeBack(config: Config, env: NodeJS.ProcessEnv): Promise<TakenBack> {
  // Where nothing names a cluster, nothing was said in one.
  if (!isClusterNamed(choiceOf(config), env)) return { policies: [], problems: [] };
  const { node } = config;
  if (node === null) {
    const problem = 'conditions on policies may still be there: it is not said which node this is';
    return { policies: [], problems: [problem] };
  }
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const client = openClient(await connect(choiceOf(config), env), { signal });
    try {
      return await takeBackConditions(client, node);
    } finally {
      client.close();
    }
  } catch (error) {
    return { policies: [], problems: [conditionsLeft(node, ['policies'], reasonOf(error))] };
  }
}

/** Looks whether policies can be enforced here; changes nothing. */
export async function checkNode(config: Config): Promise<readonly Finding[]> {
  return judge(await gatherFacts({ kernel: kernelOf(config), config }));
}

/**
 * Makes the node ready for the agent: bridges, and in closed mode a table that admits no address of this node's pods
 * before the agent knows them. A table that is there stays.
 */
export async function initialise(
  config: Config,
  env: NodeJS.ProcessEnv,
): Promise<{ readonly mended: Mended; readonly findings: readonly Finding[]; readonly skeleton: boolean }> {
  const mended = await mendBridges();
  const findings = await checkNode(config);
  return { mended, findings, skeleton: config.closedUntilKnown && (await closedSkeleton(config, env)) };
}

async function closedSkeleton(config: Config, env: NodeJS.ProcessEnv): Promise<boolean> {
  const kernel = kernelOf(config);
  const answer = await kernel.list();
  if (isFault(answer)) throw new IoError('tool-failed', answer.message);
  if (answer.text !== null) return false;
  const podCidr = config.podCidr.length > 0 ? config.podCidr : await rangesOfNode(config, env);
  if (podCidr.length === 0) {
    throw new IoError('not-found', 'closed mode needs to know where the addresses of this node come from', {
      help: 'the Node has no podCIDR (yet); say it with --pod-cidr',
    });
  }
  const wanted: Wanted = { cluster: EMPTY_CLUSTER, program: { tiers: [] } };
  // An agent that has made its table meanwhile keeps it.
  const ruleset = `create table inet ${config.table}\n${rulesetText({ ...config, podCidr }, wanted, anyGeneration())}`;
  const fault = await kernel.apply(ruleset);
  if (fault?.kind === 'refused' && /File exists/.test(fault.message)) return false;
  if (fault !== null) throw new IoError('tool-failed', fault.message);
  return true;
}

async function rangesOfNode(config: Config, env: NodeJS.ProcessEnv): Promise<readonly string[]> {
  const client = openClient(await connect(choiceOf(config), env));
  try {
    const answer = await client.get(
      `/api/v1/nodes?fieldSelector=metadata.name%3D${encodeURIComponent(nodeOf(config))}`,
    );
    if (answer.status !== 200) throw new IoError('forbidden', `cannot read the Node: ${messageOf(answer)}`);
    const [json] = isObject(answer.body) ? objectsOf(answer.body.items) : [];
    const object = json === undefined ? null : kubeObject({ ...json, apiVersion: 'v1', kind: 'Node' });
    const seen = object === null ? null : seenNode(interner(), object, []);
    return (seen?.podRanges ?? []).map(formatCidr);
  } finally {
    client.close();
  }
}

const EMPTY_CLUSTER: Cluster = {
  namespaces: new Map(),
  nodes: [],
  workloads: [],
  services: [],
  routes: [],
  missing: [],
};

function kernelOf(config: Config): ReturnType<typeof nftKernel> {
  return nftKernel({ table: config.table, path: config.nft, timeoutMs: config.nftTimeout });
}

/** The name of the lock that is held by whoever writes the table. */
export function lockName(config: Config): string {
  return `rampart-agent-${config.table}`;
}
