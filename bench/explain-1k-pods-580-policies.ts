/** Answers per second on a mid-size cluster: deciding reasons only, and with everything that was considered. */
import { type Ip, parseIp } from '../src/base/ip.ts';
import { explainPrepared } from '../src/engine/explain.ts';
import { prepareExplain } from '../src/engine/explain-index.ts';
import { factsOf } from '../src/engine/match.ts';
import { inputOf } from '../src/input/input.ts';
import { readManifests } from '../src/manifest/read.ts';
import type { Endpoint, Flow } from '../src/model/flow.ts';
import { generateCluster, SIZES } from './generate.ts';

const objects = generateCluster(SIZES.S);
const text = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
const { cluster, program } = inputOf(readManifests([{ file: 'cluster.json', text }]).objects);
const pods = cluster.workloads.flatMap((workload) => workload.pods);
const policies = program.tiers.reduce((sum, tier) => sum + tier.policies.length, 0);

/** A fixed sequence, so that every run asks the same. */
function* sequence(): Generator<number, never> {
  for (let state = 1; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state >>> 8;
  }
}

const numbers = sequence();
const next = (below: number): number => numbers.next().value % below;
const outside: Ip | null = parseIp('203.0.113.7');
const PORTS = [80, 443, 5432, 8080, 9090];

function endpointAt(at: number): Endpoint {
  const pod = pods[at % pods.length];
  if (pod === undefined || (next(20) === 0 && outside !== null)) {
    return { kind: 'external', address: outside ?? { family: 4, value: 1n } };
  }
  return { kind: 'pod', pod };
}

// Every second flow stays among neighbours, mostly in one namespace, where near misses are.
const flows: Flow[] = Array.from({ length: 100_000 }, () => {
  const source = next(pods.length);
  const destination = next(2) === 0 ? source + next(12) : next(pods.length);
  return {
    source: endpointAt(source),
    destination: endpointAt(destination),
    protocol: 'TCP',
    port: PORTS[next(PORTS.length)] ?? 80,
    family: null,
    viaService: false,
  };
});

const prepared = prepareExplain(program, factsOf(cluster));
process.stdout.write(`${pods.length} pods, ${policies} policies\n`);
for (const reasons of ['deciding', 'all', 'deciding', 'all'] as const) {
  const start = performance.now();
  let allowed = 0;
  let told = 0;
  for (const flow of flows) {
    const verdict = explainPrepared(prepared, flow, { reasons });
    if (verdict.verdict === 'allowed') allowed++;
    told += (verdict.egress?.reasons.length ?? 0) + (verdict.ingress?.reasons.length ?? 0);
  }
  const seconds = (performance.now() - start) / 1000;
  const rate = Math.round(flows.length / seconds);
  process.stdout.write(
    `${reasons}: ${rate} answers/s, ${allowed} allowed, ${(told / flows.length).toFixed(1)} reasons each\n`,
  );
}
