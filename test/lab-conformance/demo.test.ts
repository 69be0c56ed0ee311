/** The shop of the examples, with every pair of its pods, over packets. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type KubeClient, openClient } from '../../src/io/kube-client.ts';
import { planLab } from '../../src/lab/model-plan.ts';
import { type LabSession, upLab } from '../../src/lab/session.ts';
import type { KubeObject } from '../../src/manifest/object.ts';
import { readManifests } from '../../src/manifest/read.ts';
import { downAll, missingLab, newName } from '../lab/labs.ts';
import { changeLab } from './change.ts';
import { type ExpectedFlow, lookAt, sendFlows } from './flows.ts';

const why = missingLab();
if (why !== null) console.log(`skipped: the shop in a lab (${why})`);

const SHOP = join(import.meta.dirname, '../../examples/shop');

/** From the picture in its README: who reaches whom; names and metrics are below. */
const ARROWS = new Map([
  ['ingress-nginx/controller', ['shop/frontend TCP 8080', 'shop/api TCP 8080']],
  ['shop/frontend', ['shop/api TCP 8080']],
  ['shop/api', ['shop/catalog TCP 8080', 'shop/cart TCP 8080', 'shop/checkout TCP 8080', 'data/postgres TCP 5432']],
  ['shop/cart', ['data/redis TCP 6379']],
]);
const METRICS = new Map([
  ['shop/frontend', 9102],
  ['shop/api', 9102],
  ['shop/catalog', 9102],
  ['shop/cart', 9102],
  ['shop/checkout', 9102],
  ['payments/gateway', 9102],
  ['data/postgres', 9187],
  ['data/redis', 9121],
  ['ingress-nginx/controller', 10254],
  ['kube-system/coredns', 9153],
]);

/** From the policies' text: the world reaches the controller, the gateway its card network, and nobody the metadata. */
const OUTSIDE: readonly (readonly [string, string, 'TCP' | 'UDP', number, boolean])[] = [
  ['198.51.100.1', 'ingress-nginx/controller', 'TCP', 8443, true],
  ['198.51.100.1', 'shop/frontend', 'TCP', 8080, false],
  ['payments/gateway', '203.0.113.7', 'TCP', 443, true],
  ['payments/gateway', '203.0.113.200', 'TCP', 443, false],
  ['shop/api', '203.0.113.7', 'TCP', 443, false],
  ['kube-system/coredns', '192.0.2.53', 'UDP', 53, true],
  ['ingress-nginx/controller', '192.0.2.10', 'TCP', 6443, true],
];

interface Party {
  readonly id: string;
  readonly workload: string;
}

function isExpected(source: Party, destination: Party, protocol: string, port: number): boolean | null {
  // The picture is of workloads: what pods of one say to each other is the engine's to say.
  if (source.workload === destination.workload) return null;
  const arrow = `${destination.workload} ${protocol} ${port}`;
  if (ARROWS.get(source.workload)?.includes(arrow) === true) return true;
  if (destination.workload === 'kube-system/coredns' && port === 53) return true;
  return (
    source.workload === 'monitoring/prometheus' && METRICS.get(destination.workload) === port && protocol === 'TCP'
  );
}

function readShop(): readonly KubeObject[] {
  const files = readdirSync(SHOP, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.yaml'));
  return readManifests(files.sort().map((file) => ({ file, bytes: readFileSync(join(SHOP, file)) }))).objects;
}

/** The gateway's policy as it has to be: its pods listen on 8080. */
function corrected(objects: readonly KubeObject[]): readonly KubeObject[] {
  return objects.map((object) =>
    object.ref.kind === 'NetworkPolicy' && object.ref.namespace === 'payments'
      ? { ...object, value: JSON.parse(JSON.stringify(object.value).replaceAll('"port":8443', '"port":8080')) }
      : object,
  );
}

describe.skipIf(why !== null)('the shop in a lab', () => {
  const objects = readShop();
  let lab: LabSession;
  let client: KubeClient;

  beforeAll(async () => {
    const plan = planLab(objects, { addresses: OUTSIDE.flatMap(([src, dst]) => [src, dst].filter(isAddress)) });
    lab = await upLab(plan, { name: newName(), lifetime: 'caller' });
    client = openClient(await lab.connection());
    await lab.settled();
  });
  afterAll(async () => {
    client?.close();
    lab?.close();
    await downAll();
  });

  const parties = async (): Promise<readonly Party[]> =>
    (await lab.status()).pods.map(({ id, workload }) => ({ id, workload: `${id.split('/')[0]}/${workload}` }));

  test('every pod reaches whom the picture shows, and nobody else', async () => {
    const view = await lookAt(lab);
    const pods = await parties();
    const flows = pods.flatMap((source) =>
      pods.flatMap((destination) => {
        if (source === destination) return [];
        const listeners = view.world.topology.pods.get(destination.id)?.listeners ?? [];
        return listeners.map(({ protocol, port }): ExpectedFlow => {
          const question = { src: source.id, dst: destination.id, protocol, port };
          return { question, allowed: isExpected(source, destination, protocol, port) };
        });
      }),
    );
    // 23 pods of 11 workloads, at most three of each, with two ports (Prometheus one, the controller and the DNS three) each.
    expect(pods).toHaveLength(23);
    expect(flows).toHaveLength(22 * (23 * 2 - 1 + 2 + 2));
    const sent = await sendFlows(lab, view, flows);
    console.log(`the shop: ${flows.length} flows, ${sent.attempts} connections in ${sent.seconds} s`);
    expect(sent.problems.slice(0, 10)).toEqual([]);
  });

  test('the world is let in where it may, and pods out', async () => {
    const view = await lookAt(lab);
    const pods = await parties();
    const flows = OUTSIDE.flatMap(([src, dst, protocol, port, allowed]) =>
      pods
        .filter(({ workload }) => workload === src || workload === dst)
        .map(({ id }): ExpectedFlow => {
          const question = isAddress(src) ? { src, dst: id, protocol, port } : { src: id, dst, protocol, port };
          return { question, allowed };
        }),
    );
    expect(flows.length).toBeGreaterThan(OUTSIDE.length);
    const sent = await sendFlows(lab, view, flows);
    expect(sent.problems.slice(0, 10)).toEqual([]);
  });

  test('customers can pay once the mistake is mended, and no longer when it is back', async () => {
    const pods = await parties();
    const of = (workload: string): readonly Party[] => pods.filter((pod) => pod.workload === workload);
    const flows = (allowed: boolean): readonly ExpectedFlow[] =>
      of('payments/gateway').flatMap(({ id: dst }) => [
        ...of('shop/checkout').map(({ id: src }) => ({ question: { src, dst, protocol: 'TCP', port: 8080 }, allowed })),
        ...of('shop/cart').map(({ id: src }) => ({
          question: { src, dst, protocol: 'TCP', port: 8080 },
          allowed: false,
        })),
      ]);
    expect((await sendFlows(lab, await lookAt(lab), flows(false))).problems).toEqual([]);
    const mended = corrected(objects);
    expect(await changeLab(lab, client, objects, mended)).toBe(1);
    expect((await sendFlows(lab, await lookAt(lab), flows(true))).problems).toEqual([]);
    expect(await changeLab(lab, client, mended, objects)).toBe(1);
    expect((await sendFlows(lab, await lookAt(lab), flows(false))).problems).toEqual([]);
  });
});

function isAddress(end: string): boolean {
  return !end.includes('/');
}
