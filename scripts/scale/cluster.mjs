// The control plane that is measured, and what its processes cost.
// @ts-check
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/** @typedef {import('../../src/io/kube-client.ts').KubeClient} KubeClient */

export const top = join(dirname(fileURLToPath(import.meta.url)), '../..');
export const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '1000' },
    pods: { type: 'string', default: '10000' },
    followers: { type: 'string', default: '0,1,10,30,100' },
    seconds: { type: 'string', default: '30' },
    rate: { type: 'string', default: '50' },
    keep: { type: 'boolean', default: false },
    reuse: { type: 'boolean', default: false },
    kwok: { type: 'boolean', default: false },
    small: { type: 'boolean', default: false },
    follow: { type: 'boolean', default: false },
  },
});
export const count = {
  nodes: Number(values.nodes),
  pods: Number(values.pods),
  namespaces: 100,
  workloads: 1000,
  policies: 1000,
  rate: Number(values.rate),
  seconds: Number(values.seconds),
};
export const followers = values.followers.split(',').map(Number);

export const tool = join(process.env.RAMPART_SHARED ?? join(top, '../shared'), 'tools/kube/kube');
export const cache = process.env.RAMPART_KUBE_DIR ?? join(homedir(), '.cache/rampart-kube');
export const env = {
  RAMPART_KUBE_NAME: 'scale',
  RAMPART_KUBE_PORT: '17900',
  RAMPART_KUBE_NET4: '10.186',
  ...process.env,
};
/** @param {number} i */
export const nodeName = (i) => (values.kwok ? `kwok-${i}` : `node-${i}`);

const state = join(cache, 'clusters', env.RAMPART_KUBE_NAME);
export const kubeconfig = join(state, 'admin.kubeconfig');

/** @param {readonly string[]} args */
export function kube(...args) {
  const { status } = spawnSync(tool, args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error(`kube ${args.join(' ')} failed`);
}

/** @param {string} name */
export function pidOf(name) {
  const [pid = '', born = ''] = readFileSync(join(state, 'pids', name), 'utf8')
    .trim()
    .split(' ');
  if (statOf(Number(pid))[19] !== born) throw new Error(`${name} does not run`);
  return Number(pid);
}

/** The fields of /proc/PID/stat after the program's name. @param {number} pid */
function statOf(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** @param {number} pid */
export const cpuMs = (pid) => (Number(statOf(pid)[11]) + Number(statOf(pid)[12])) * 10;

/** @param {number} pid @param {'VmRSS' | 'VmHWM'} field */
export const memoryMb = (pid, field) =>
  Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

/** @param {KubeClient} client @param {string} path */
async function text(client, path) {
  /** @type {Buffer[]} */
  const chunks = [];
  const { status } = await client.receive(path, (chunk) => void chunks.push(chunk), { accept: '*/*' });
  if (status !== 200) throw new Error(`GET ${path}: ${status}`);
  return Buffer.concat(chunks).toString('utf8');
}

/** What lives after a collection: the resident size says more of the collector than of the load. @param {KubeClient} client */
export async function serverMemory(client) {
  await text(client, '/debug/pprof/heap?gc=1');
  const metrics = await text(client, '/metrics');
  /** @param {string} name */
  const value = (name) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(metrics)?.[1]);
  return {
    heapMb: value('go_memstats_heap_alloc_bytes') / 2 ** 20,
    stackMb: value('go_memstats_stack_inuse_bytes') / 2 ** 20,
    goroutines: value('go_goroutines'),
    rssMb: memoryMb(pidOf('kube-apiserver'), 'VmRSS'),
  };
}

/** Runs `work`, and says what it cost the server. @template T @param {() => Promise<T>} work */
export async function serverCost(work) {
  const pid = pidOf('kube-apiserver');
  const [cpu, begun] = [cpuMs(pid), Date.now()];
  const result = await work();
  const ms = Date.now() - begun;
  return { result, ms, cpuMs: cpuMs(pid) - cpu };
}

const token = () => (readFileSync(join(state, 'pki/tokens.csv'), 'utf8').split(',')[0] ?? '').trim();

/** GETs without unpacking anything. @param {string} path @param {import('node:http').OutgoingHttpHeaders} headers @param {(chunk: Buffer) => void} onChunk */
export function open(path, headers, onChunk) {
  const sent = httpsRequest({
    host: '127.0.0.1',
    port: env.RAMPART_KUBE_PORT,
    path,
    ca: readFileSync(join(state, 'pki/ca.crt')),
    agent: false,
    headers: { ...headers, Authorization: `Bearer ${token()}` },
  });
  /** @type {Promise<import('node:http').IncomingHttpHeaders>} */
  const done = new Promise((resolve, reject) => {
    sent.on('error', reject);
    sent.on('response', (answer) => {
      if (answer.statusCode !== 200) reject(new Error(`GET ${path}: ${answer.statusCode}`));
      answer.on('data', onChunk);
      answer.on('error', reject);
      answer.on('end', () => resolve(answer.headers));
    });
  });
  sent.end();
  return { done, close: () => sent.destroy() };
}

/** @param {string} command @param {readonly string[]} args @param {NodeJS.ProcessEnv} environment @returns {Promise<{ out: string, err: string }>} */
export function run(command, args, environment = process.env) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve({ out, err }) : reject(new Error(`${command}: ${code}\n${err}`)),
    );
  });
}

/** @param {number} i */
export const range = (i) => Array.from({ length: i }, (_, at) => at);

/** @param {number} begun */
export const seconds = (begun) => `${((Date.now() - begun) / 1000).toFixed(1)} s`;
/** @param {string} text */
export const say = (text) => console.log(text);
/** @param {string} what @param {unknown} value */
export const tell = (what, value) =>
  say(`${what} ${JSON.stringify(value, (_, one) => (typeof one === 'number' ? Math.round(one * 1000) / 1000 : one))}`);
