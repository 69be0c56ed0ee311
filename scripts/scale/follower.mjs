// One follower, and one agent: what their start costs them.
// @ts-check
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { openClient } from '../../src/io/kube-client.ts';
import { connect } from '../../src/io/kubeconfig.ts';
import { follow } from '../../src/io/watch.ts';
import { cache, count, cpuMs, kubeconfig, memoryMb, nodeName, run, top } from './cluster.mjs';
import { changePods } from './load.mjs';

/** @typedef {import('../../src/io/kube-client.ts').KubeClient} KubeClient */
/** @typedef {import('../../src/manifest/object.ts').JsonObject} JsonObject */
/** @typedef {{ metadata: { namespace: string, uid: string, labels?: JsonObject }, spec: { containers: { ports?: unknown }[] }, status: { podIPs?: { ip: string }[] } }} PodParts */

/** Counts what a client sends and receives, unpacked. @param {KubeClient} client */
function counting(client) {
  const seen = { lists: 0, listBytes: 0, watches: 0, watchBytes: 0, watchLines: 0, others: 0 };
  /** @type {{ path: string, accept: string }[]} */
  const watched = [];
  /** @type {KubeClient} */
  const counted = {
    ...client,
    connection: client.connection,
    get: (path, accept, signal) => {
      seen.others++;
      return client.get(path, accept, signal);
    },
    receive: (path, onChunk, options) => {
      seen.lists++;
      return client.receive(
        path,
        (chunk) => {
          seen.listBytes += chunk.length;
          return onChunk(chunk);
        },
        options,
      );
    },
    stream: (path, onLine, signal, options) => {
      seen.watches++;
      watched.push({ path, accept: options?.accept ?? 'application/json' });
      return client.stream(
        path,
        (line) => {
          seen.watchLines++;
          seen.watchBytes += Buffer.byteLength(line) + 1;
          return onLine(line);
        },
        signal,
        options,
      );
    },
  };
  return { client: counted, seen, watched };
}

/** What a relay would send: an address, and a number for all that policies can tell pods apart by. @param {readonly JsonObject[]} pods */
function compactOf(pods) {
  /** @type {Map<string, number>} */
  const identities = new Map();
  const lines = pods.map((pod) => {
    const { metadata, spec, status } = /** @type {PodParts} */ (/** @type {unknown} */ (pod));
    const identity = JSON.stringify([metadata.namespace, metadata.labels, spec.containers.map(({ ports }) => ports)]);
    const id = identities.get(identity) ?? identities.size;
    identities.set(identity, id);
    return JSON.stringify({ uid: metadata.uid, ips: (status.podIPs ?? []).map(({ ip }) => ip), id });
  });
  const whole = [...identities.keys(), ...lines].join('\n');
  return {
    identities: identities.size,
    compactMb: Buffer.byteLength(whole) / 1e6,
    compactGzipMb: gzipSync(whole).length / 1e6,
    lineBytes: Buffer.byteLength(lines.join('\n')) / lines.length,
  };
}

/** In a process of its own: follows, and says what the start took. */
export async function followOnce() {
  const client = openClient(await connect({ kubeconfig }, {}));
  const { client: counted, seen, watched } = counting(client);
  /** @type {readonly JsonObject[]} */
  let pods = [];
  const begun = Date.now();
  const follower = follow(counted, {}, (event) => {
    if (event.kind === 'listed' && event.resource === 'pods') pods = event.objects;
  });
  await follower.ready;
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  const start = { ms: Date.now() - begun, cpuMs: (userCPUTime + systemCPUTime) / 1000, peakMb: maxRSS / 1024, ...seen };
  await sleep(2000);
  const reduced = pods.map((pod) => JSON.stringify(pod)).join('\n');
  const objects = Object.fromEntries(follower.statistics().map((one) => [one.resource, one.objects]));
  const kept = { reducedMb: Buffer.byteLength(reduced) / 1e6, reducedGzipMb: gzipSync(reduced).length / 1e6 };
  const requests = { lists: seen.lists, watches: seen.watches, others: seen.others };
  await follower.stop();
  client.close();
  console.log(JSON.stringify({ start, requests, objects, ...kept, ...compactOf(pods), watched }));
}

const rampart = join(top, 'dist/cli/rampart.js');

export async function agentOnce() {
  const told = `data:text/javascript,process.on("exit",()=>{const{userCPUTime:u,systemCPUTime:s,maxRSS:m}=process.resourceUsage();console.error("USED "+JSON.stringify({cpuMs:(u+s)/1e3,peakMb:m/1024}))})`;
  const begun = Date.now();
  const args = [
    '--import',
    told,
    rampart,
    'agent',
    '--once',
    '--dry-run',
    '--node',
    nodeName(0),
    '--kubeconfig',
    kubeconfig,
  ];
  const { out, err } = await run(process.execPath, args);
  const used = JSON.parse(/^USED (.*)$/m.exec(err)?.[1] ?? '{}');
  return { ms: Date.now() - begun, ...used, rulesetBytes: Buffer.byteLength(out) };
}

/** A whole agent with a kernel table of its own: it has no network, but it has a socket. @param {KubeClient} client */
export async function agentSteady(client) {
  const folder = mkdtempSync(join(tmpdir(), 'rampart-scale-'));
  const socket = join(folder, 'api');
  const proxy = spawn(join(cache, 'bin/kubectl'), ['--kubeconfig', kubeconfig, 'proxy', `--unix-socket=${socket}`], {
    stdio: 'ignore',
  });
  /** @type {import('node:child_process').ChildProcess | null} */
  let agent = null;
  const end = () => {
    agent?.kill('SIGKILL');
    proxy.kill('SIGTERM');
    rmSync(folder, { recursive: true, force: true });
  };
  process.on('exit', end);
  try {
    while (!existsSync(socket)) await sleep(100);
    const flags = [
      '--server',
      `unix://${socket}`,
      '--node',
      nodeName(0),
      '--no-events',
      '--cni-cache',
      '',
      '--listen',
      '127.0.0.1:9790',
    ];
    const line = 'ip link set lo up && exec "$@"';
    agent = spawn('unshare', ['-n', 'sh', '-c', line, 'sh', process.execPath, rampart, 'agent', ...flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const pid = Number(agent.pid);
    let log = '';
    for (const stream of [agent.stdout, agent.stderr])
      stream?.on('data', (chunk) => {
        log += chunk;
      });
    for (let i = 0; !log.includes('everything was listed'); i++) {
      if (agent.exitCode !== null || i > 1200) throw new Error(`the agent did not start:\n${log}`);
      await sleep(100);
    }
    await sleep(8000);
    const startCpuMs = cpuMs(pid);
    const startPeakMb = memoryMb(pid, 'VmHWM');
    const before = cpuMs(pid);
    await sleep(count.seconds * 1000);
    const idle = (cpuMs(pid) - before) / count.seconds / 10;
    const idleMb = memoryMb(pid, 'VmRSS');
    const begun = cpuMs(pid);
    const made = await changePods(client);
    const busy = (cpuMs(pid) - begun) / made.seconds / 10;
    const busyMb = memoryMb(pid, 'VmRSS');
    return {
      startCpuMs,
      startPeakMb,
      idlePercent: idle,
      idleMb,
      busyPercent: busy,
      busyMb,
      changesPerSecond: made.rate,
    };
  } finally {
    end();
    process.off('exit', end);
  }
}
