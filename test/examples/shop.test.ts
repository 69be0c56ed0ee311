import { describe, expect, it } from 'vitest';
import { parseIp } from '../../src/base/ip.ts';
import { flowOf } from '../../src/engine/compiled/evaluate.ts';
import { explainPrepared } from '../../src/engine/explain/explain.ts';
import { type Prepared, prepareExplain } from '../../src/engine/explain/prepare.ts';
import { factsOf } from '../../src/engine/match.ts';
import { type Input, inputOf } from '../../src/input/input.ts';
import { readManifests } from '../../src/manifest/read.ts';
import type { Endpoint } from '../../src/model/flow.ts';
import type { Protocol } from '../../src/model/match.ts';
import type { Verdict } from '../../src/model/verdict.ts';
import { filesBelow, readText } from '../support/source-files.ts';

interface Shop {
  readonly input: Input;
  readonly prepared: Prepared;
  readonly complaints: readonly string[];
}

/** The example, with a correction made in its text where one is given. */
function readShop(correct: (file: string, text: string) => string = (_, text) => text): Shop {
  const files = filesBelow('examples/shop').filter((file) => file.endsWith('.yaml'));
  const reading = readManifests(
    files.map((file) => ({ file, bytes: new TextEncoder().encode(correct(file, readText(file))) })),
  );
  const input = inputOf(reading.objects);
  const complaints = [...reading.diagnostics, ...input.diagnostics].map(({ code, message }) => `${code} ${message}`);
  return { input, prepared: prepareExplain(input.program, factsOf(input.cluster)), complaints };
}

const shop = readShop();

function endpointOf({ input }: Shop, text: string): Endpoint {
  const workload = input.cluster.workloads.find(({ namespace, name }) => `${namespace}/${name}` === text);
  if (workload?.pods[0] !== undefined) return { kind: 'pod', pod: workload.pods[0] };
  const address = parseIp(text);
  if (address === null) throw new Error(`no such endpoint: ${text}`);
  return { kind: 'external', address };
}

function ask(where: Shop, source: string, destination: string, port: number, protocol: Protocol = 'TCP'): Verdict {
  const flow = flowOf(endpointOf(where, source), endpointOf(where, destination), protocol, port);
  return explainPrepared(where.prepared, flow);
}

/** The arrows of the picture in its README but for DNS and scraping, and without the one that the mistake breaks. */
const ARROWS = [
  'ingress-nginx/controller → shop/frontend 8080/TCP',
  'ingress-nginx/controller → shop/api 8080/TCP',
  'shop/frontend → shop/api 8080/TCP',
  'shop/api → shop/catalog 8080/TCP',
  'shop/api → shop/cart 8080/TCP',
  'shop/api → shop/checkout 8080/TCP',
  'shop/api → data/postgres 5432/TCP',
  'shop/cart → data/redis 6379/TCP',
];
const METRICS_PORTS = {
  'shop/frontend': 9102,
  'shop/api': 9102,
  'shop/catalog': 9102,
  'shop/cart': 9102,
  'shop/checkout': 9102,
  'payments/gateway': 9102,
  'data/postgres': 9187,
  'data/redis': 9121,
  'ingress-nginx/controller': 10254,
  'kube-system/coredns': 9153,
};
const ASK_FOR_NAMES = [...Object.keys(METRICS_PORTS), 'monitoring/prometheus'].filter(
  (name) => !name.endsWith('coredns'),
);

describe('the shop', () => {
  it('is read without a complaint', () => {
    expect(shop.complaints).toEqual([]);
    expect(shop.input.cluster.workloads).toHaveLength(11);
  });

  it('lets through what its picture shows and nothing else', () => {
    const allowed: string[] = [];
    const workloads = shop.input.cluster.workloads.map((workload) => ({
      name: `${workload.namespace}/${workload.name}`,
      ports: workload.pods[0]?.ports ?? [],
    }));
    for (const source of workloads) {
      for (const destination of workloads.filter((other) => other !== source)) {
        for (const { port, protocol } of destination.ports) {
          const { verdict } = ask(shop, source.name, destination.name, port, protocol);
          expect(verdict).not.toBe('undefined');
          if (verdict === 'allowed') allowed.push(`${source.name} → ${destination.name} ${port}/${protocol}`);
        }
      }
    }
    const expected = [
      ...ARROWS,
      ...ASK_FOR_NAMES.flatMap((name) =>
        ['UDP', 'TCP'].map((protocol) => `${name} → kube-system/coredns 53/${protocol}`),
      ),
      ...Object.entries(METRICS_PORTS).map(([name, port]) => `monitoring/prometheus → ${name} ${port}/TCP`),
    ];
    expect(expected).toHaveLength(38);
    expect(allowed.sort()).toEqual(expected.sort());
  });

  it.each([
    ['198.51.100.1', 'ingress-nginx/controller', 8443, 'TCP', 'allowed'],
    ['198.51.100.1', 'shop/frontend', 8080, 'TCP', 'denied'],
    ['payments/gateway', '203.0.113.7', 443, 'TCP', 'allowed'],
    ['payments/gateway', '203.0.113.200', 443, 'TCP', 'denied'],
    ['shop/api', '203.0.113.7', 443, 'TCP', 'denied'],
    ['kube-system/coredns', '192.0.2.53', 53, 'UDP', 'allowed'],
    ['ingress-nginx/controller', '192.0.2.10', 6443, 'TCP', 'allowed'],
  ] as const)('%s to %s port %i/%s is %s', (source, destination, port, protocol, expected) => {
    expect(ask(shop, source, destination, port, protocol).verdict).toBe(expected);
  });

  it('keeps every pod from the metadata of the cloud, above all NetworkPolicies', () => {
    for (const { namespace, name } of shop.input.cluster.workloads) {
      const { verdict, egress } = ask(shop, `${namespace}/${name}`, '169.254.169.254', 80);
      expect(verdict).toBe('denied');
      expect(egress?.decidedBy).toBe('ClusterNetworkPolicy/no-cloud-metadata#egress[1]');
    }
  });

  it('answers why nobody can pay with the very line', () => {
    const answer = ask(shop, 'shop/checkout', 'payments/gateway', 8080);
    expect(answer.verdict).toBe('denied');
    expect(answer.egress).toMatchObject({
      verdict: 'allowed',
      decidedBy: 'NetworkPolicy/shop/allow-checkout-to-payments#egress[0]',
    });
    expect(answer.ingress).toMatchObject({ verdict: 'denied' });
    const nearMiss = answer.ingress?.reasons.find(({ kind }) => kind === 'near-miss');
    expect(nearMiss).toMatchObject({ policy: 'NetworkPolicy/payments/allow-checkout', rule: 'spec.ingress[0]' });
    const source = nearMiss?.origin?.object.source;
    expect(source?.file).toBe('examples/shop/payments/policies.yaml');
    const line = readText('examples/shop/payments/policies.yaml')
      .split('\n')
      .findIndex((text) => text.includes('port: 8443'));
    expect(source?.locate(nearMiss?.origin?.field ?? '').line).toBe(line + 1);
  });

  it('takes payments once that line is right', () => {
    const corrected = readShop((file, text) =>
      file.endsWith('payments/policies.yaml') ? text.replace('port: 8443', 'port: 8080') : text,
    );
    expect(ask(corrected, 'shop/checkout', 'payments/gateway', 8080).verdict).toBe('allowed');
    expect(ask(corrected, 'shop/cart', 'payments/gateway', 8080).verdict).toBe('denied');
  });
});
