// What lists, changes and many followers cost the API server.
// @ts-check
import { setTimeout as sleep } from 'node:timers/promises';
import { count, cpuMs, followers, nodeName, open, pidOf, range, serverCost, serverMemory, tell } from './cluster.mjs';
import { patch, spaceOf } from './workload.mjs';

/** @typedef {import('../../src/io/kube-client.ts').KubeClient} KubeClient */
/** @typedef {import('../../src/manifest/object.ts').JsonObject} JsonObject */

const PODS = '/api/v1/pods?resourceVersion=0';
const METADATA = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';
const PROTOBUF = 'application/vnd.kubernetes.protobuf';
const LISTS = [
  { name: 'JSON', path: PODS, accept: 'application/json', gzip: false },
  { name: 'JSON, gzip', path: PODS, accept: 'application/json', gzip: true },
  { name: 'protobuf', path: PODS, accept: PROTOBUF, gzip: false },
  { name: 'protobuf, gzip', path: PODS, accept: PROTOBUF, gzip: true },
  { name: 'metadata only', path: PODS, accept: METADATA, gzip: false },
  {
    name: 'own node only',
    path: `${PODS}&fieldSelector=spec.nodeName%3D${nodeName(0)}`,
    accept: 'application/json',
    gzip: false,
  },
];

export async function measureLists() {
  const rows = [];
  for (const { name, path, accept, gzip } of LISTS) {
    const one = async () => {
      let bytes = 0;
      const headers = { Accept: accept, 'Accept-Encoding': gzip ? 'gzip' : 'identity' };
      const answer = await open(path, headers, (chunk) => {
        bytes += chunk.length;
      }).done;
      return { bytes, packed: answer['content-encoding'] ?? '' };
    };
    await one();
    const rounds = 3;
    const {
      result,
      ms,
      cpuMs: cpu,
    } = await serverCost(async () => {
      let last = await one();
      for (let i = 1; i < rounds; i++) last = await one();
      return last;
    });
    rows.push({
      list: name,
      mb: result.bytes / 1e6,
      encoding: result.packed,
      serverCpuMs: cpu / rounds,
      ms: ms / rounds,
    });
  }
  return rows;
}

let round = 0;
/** Another run on the same cluster changes everything once more. */
const turn = 1 + (Math.floor(Date.now() / 1000) % (count.workloads - 1));

/** Gives pods new labels at the rate that was asked for. @param {KubeClient} client */
export async function changePods(client) {
  const begun = Date.now();
  let made = 0;
  /** @type {Set<Promise<unknown>>} */
  const open = new Set();
  while (Date.now() - begun < count.seconds * 1000) {
    const due = ((Date.now() - begun) / 1000) * count.rate;
    for (; made < due && open.size < 200; made++) {
      const i = (round++ * 7919) % count.pods;
      const workload = i % count.workloads;
      const labels = { 'app.kubernetes.io/name': `app-${(workload + turn) % count.workloads}` };
      const path = `/api/v1/namespaces/${spaceOf(workload)}/pods/pod-${i}`;
      /** @type {Promise<unknown>} */
      const sent = patch(client, path, { metadata: { labels } }).finally(() => open.delete(sent));
      open.add(sent);
    }
    await sleep(20);
  }
  await Promise.all(open);
  const took = (Date.now() - begun) / 1000;
  return { made, seconds: took, rate: made / took };
}

/** @param {KubeClient} client @param {readonly { path: string, accept: string }[]} watched */
export async function measureFollowers(client, watched) {
  const rows = [];
  for (const many of followers) {
    const versions = new Map();
    for (const { path } of watched) {
      const plain = path.split('?')[0] ?? '';
      const { body } = await client.get(`${plain}?limit=1`);
      versions.set(
        path,
        /** @type {{ metadata?: { resourceVersion?: string } }} */ (body)?.metadata?.resourceVersion ?? '',
      );
    }
    let [bytes, chunks] = [0, 0];
    const streams = range(many).flatMap(() =>
      watched.map(({ path, accept }) => {
        const now = path
          .replace(/resourceVersion=[^&]*/, `resourceVersion=${versions.get(path)}`)
          .replace(/timeoutSeconds=\d+/, 'timeoutSeconds=3600');
        const stream = open(now, { Accept: accept }, (chunk) => {
          bytes += chunk.length;
          chunks++;
        });
        stream.done.catch(() => undefined);
        return stream;
      }),
    );
    await sleep(5000);
    const memory = await serverMemory(client);
    await sleep(2000);
    const idleBytes = bytes;
    const idle = await serverCost(() => sleep(count.seconds * 1000));
    const etcd = cpuMs(pidOf('etcd'));
    const busyBytes = bytes;
    const busy = await serverCost(() => changePods(client));
    await sleep(500);
    const { made, rate } = busy.result;
    rows.push({
      followers: many,
      ...memory,
      idleCpuPercent: (idle.cpuMs / idle.ms) * 100,
      idleBytesPerSecond: many === 0 ? 0 : (busyBytes - idleBytes) / many / count.seconds,
      busyCpuPercent: (busy.cpuMs / busy.ms) * 100,
      cpuMsPerChange: busy.cpuMs / made,
      etcdCpuPercent: ((cpuMs(pidOf('etcd')) - etcd) / busy.ms) * 100,
      rate,
      bytesPerChange: many === 0 ? 0 : (bytes - busyBytes) / many / made,
      chunks,
    });
    tell('followers', rows.at(-1));
    for (const stream of streams) stream.close();
    await sleep(3000);
  }
  return rows;
}
