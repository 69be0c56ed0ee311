import { execFile, spawn } from 'node:child_process';
import { createReadStream, existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { missingForImage } from '../../scripts/image.mjs';
import { claim } from '../apiserver/kube.ts';

const execute = promisify(execFile);
const SHARED = process.env.RAMPART_SHARED ?? resolve(import.meta.dirname, '../../../shared');
const CACHE = process.env.RAMPART_KUBE_DIR ?? join(homedir(), '.cache/rampart-kube');

/** The program that starts clusters, and the one that runs Kubernetes' own tests. */
export const KUBE: string = join(SHARED, 'tools/kube/kube');
export const UPSTREAM: string = join(SHARED, 'tools/kube/e2e/run');
/** Builds the conformance suite of ClusterNetworkPolicy. */
export const SUITE_BUILD: string = join(import.meta.dirname, '../../scripts/cnp-conformance.sh');
/** Kubernetes' test image, on every node. */
export const AGNHOST = 'localhost/agnhost:2.56';

/** Why no cluster with nodes can be started here; `null` if one can. */
export function missingCluster(): string | null {
  if (!existsSync(KUBE)) return `the kube tool is not at ${KUBE}`;
  for (const program of ['kube-all', 'agnhost', 'e2e.test']) {
    if (!existsSync(join(CACHE, 'bin', program)))
      return `${program} is not in ${CACHE}: run 'kube build' and 'e2e/run build'`;
  }
  const programs = ['containerd', 'runc', 'nft', 'iptables', 'conntrack', 'ip', 'busybox', 'jq', 'curl', 'openssl'];
  const missing = programs.filter((program) => !inPath(program));
  if (missing.length > 0) return `${missing.join(', ')} not installed`;
  if (!existsSync('/usr/lib/cni/ptp')) return 'the CNI plugins are not installed (containernetworking-plugins)';
  return missingForImage();
}

/** Whether a program is in the PATH. */
export function inPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)));
}

/** Runs a program without input: the tools would wait for some. */
function run(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  timeout: number,
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const running = execute(program, args, { env, timeout, maxBuffer: 1 << 26 });
  running.child.stdin?.end();
  return running;
}

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface NodeCluster {
  readonly env: NodeJS.ProcessEnv;
  /** The first two parts of its IPv4 addresses; nodes are `.0.11`, `.0.12`… */
  readonly net4: string;
  readonly net6: string;
  /** Of the API server. */
  readonly port: string;
  /** Fails when kubectl does; answers its output. */
  kubectl(...args: readonly string[]): Promise<string>;
  /** Never fails. */
  tryKubectl(...args: readonly string[]): Promise<Outcome>;
  apply(...objects: readonly object[]): Promise<void>;
  /** Runs a program in a node's namespaces; never fails. */
  onNode(node: string, ...command: readonly string[]): Promise<Outcome>;
  loadImage(node: string, archive: string): Promise<void>;
  /** The archive of an image that every node has. */
  imageOf(name: string): string;
  kube(...args: readonly string[]): Promise<void>;
  down(): Promise<void>;
}

export interface ClusterOptions {
  readonly cni: 'ptp' | 'bridge';
  readonly nodes: number;
}

interface Place {
  readonly name: string;
  readonly port: string;
  readonly net4: string;
  readonly net6: string;
  release(): void;
}

/** A name, ports and addresses that no other run has; what the environment says holds as it is. */
function findPlace(): Place {
  const env = process.env;
  for (let i = 0; i < 3; i++) {
    const name = env.RAMPART_KUBE_NAME ?? (i === 0 ? 'e2e' : `e2e${i}`);
    const release = claim(name);
    if (release === null) continue;
    return {
      name,
      port: env.RAMPART_KUBE_PORT ?? String(17_700 + 30 * i),
      net4: env.RAMPART_KUBE_NET4 ?? `10.${217 + 10 * i}`,
      net6: env.RAMPART_KUBE_NET6 ?? `fd10:${217 + 10 * i}`,
      release,
    };
  }
  throw new Error('other runs have all the clusters that there may be');
}

/** Starts a cluster with nodes; what an interrupted run left under the same name is removed first. */
export async function startNodes(options: ClusterOptions): Promise<NodeCluster> {
  const place = findPlace();
  const { name, net4, net6 } = place;
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    RAMPART_KUBE_NAME: name,
    RAMPART_KUBE_PORT: place.port,
    RAMPART_KUBE_NET4: net4,
    RAMPART_KUBE_NET6: net6,
    RAMPART_KUBE_CNI: options.cni,
    KUBECONFIG: join(CACHE, 'clusters', name, 'admin.kubeconfig'),
    PATH: [join(CACHE, 'bin'), process.env.PATH].join(delimiter),
  };
  const kube = async (...args: readonly string[]): Promise<void> => {
    await run(KUBE, args, env, 180_000);
  };
  await kube('down');
  try {
    await kube('up', '--nodes', String(options.nodes));
  } catch (error) {
    await kube('down');
    place.release();
    throw error;
  }

  const attempt = async (program: string, args: readonly string[], timeout: number): Promise<Outcome> => {
    try {
      return { code: 0, ...(await run(program, args, env, timeout)) };
    } catch (error) {
      const { code, stdout, stderr } = error as { code?: unknown; stdout?: string; stderr?: string };
      return { code: typeof code === 'number' ? code : -1, stdout: stdout ?? '', stderr: stderr ?? String(error) };
    }
  };
  const tryKubectl = (...args: readonly string[]): Promise<Outcome> => attempt('kubectl', args, 180_000);
  return {
    env,
    net4,
    net6,
    port: place.port,
    kube,
    tryKubectl,
    async kubectl(...args) {
      const { code, stdout, stderr } = await tryKubectl(...args);
      if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
      return stdout;
    },
    async apply(...objects) {
      const items = { apiVersion: 'v1', kind: 'List', items: objects };
      await feed('kubectl', ['apply', '-f', '-'], env, JSON.stringify(items));
    },
    onNode: (node, ...command) => attempt(KUBE, ['node', 'exec', node, ...command], 120_000),
    loadImage: (node, archive) =>
      feed(
        KUBE,
        ['node', 'exec', node, 'ctr', '-n', 'k8s.io', 'images', 'import', '-'],
        env,
        createReadStream(archive),
      ),
    imageOf: (name) => join(CACHE, 'images', `${name}.tar`),
    async down() {
      await kube('down');
      place.release();
    },
  };
}

async function feed(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  input: string | NodeJS.ReadableStream,
): Promise<void> {
  const child = spawn(program, args, { env, stdio: ['pipe', 'ignore', 'pipe'], timeout: 120_000 });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  child.stdin.on('error', () => {}); // its end says more
  if (typeof input === 'string') child.stdin.end(input);
  else input.pipe(child.stdin);
  const code = await new Promise<number | null>((done, fail) => {
    child.on('error', fail);
    child.on('close', done);
  });
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: ${said}`);
}

/** Asks again until the answer suits, or the time is over; the last answer. */
export async function until<T>(seconds: number, ask: () => Promise<T>, suits: (answer: T) => boolean): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (suits(answer) || Date.now() > end) return answer;
    await sleep(200);
  }
}
