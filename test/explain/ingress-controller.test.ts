/** What comes through an Ingress comes from a pod of which nothing is known (S6.3). */
import { describe, expect, test } from 'vitest';
import { CompiledProgram } from '../../src/engine/compiled/compile.ts';
import { connectivity } from '../../src/engine/connectivity/connectivity.ts';
import { inputOf } from '../../src/input/input.ts';
import { readManifests } from '../../src/manifest/read.ts';
import type { ConnectivityReport } from '../../src/model/report.ts';
import { documents, namespace, networkPolicy, pod } from './world.ts';

const SHOP = documents(
  namespace('shop', { team: 'blue' }),
  pod('shop/web', { labels: { app: 'web' }, ip: '10.1.0.1', ports: [{ containerPort: 8080 }] }),
  pod('shop/db', { labels: { app: 'db' }, ip: '10.1.0.2' }),
  '{apiVersion: v1, kind: Service, metadata: {namespace: shop, name: web}, spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}}',
  '{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {namespace: shop, name: door}, spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}}',
);

function report(...policies: readonly string[]): ConnectivityReport {
  const { cluster, program } = inputOf(
    readManifests([{ file: 'test.yaml', text: documents(SHOP, ...policies) }]).objects,
  );
  return connectivity(new CompiledProgram(program, cluster), cluster);
}

const web = (ingress: string): string =>
  networkPolicy('shop/web', `{podSelector: {matchLabels: {app: web}}, ingress: ${ingress}}`);

describe('S6.3: an ingress controller', () => {
  test('S6.3: reaches the backend of a route at the port behind the Service, and is no peer of the matrix', () => {
    const { ingressController, allowed, peers } = report();
    expect(ingressController).toEqual([{ dst: 'shop/web[Pod]', conn: { TCP: [[8080, 8080]] } }]);
    const names = [...peers, ...allowed.flatMap(({ src, dst }) => [src, dst])];
    expect(names.filter((name) => name.includes('ingress'))).toEqual([]);
  });

  test.each([
    ['every pod of the cluster', '[{from: [{namespaceSelector: {}}]}]', true],
    ['everything', '[{}]', true],
    ['the port behind the Service', '[{ports: [{port: 8080}]}]', true],
    ["the Service's own port", '[{ports: [{port: 80}]}]', false],
    ['pods of its own namespace', '[{from: [{podSelector: {}}]}]', false],
    ['namespaces with a label', '[{from: [{namespaceSelector: {matchLabels: {team: blue}}}]}]', false],
    ['a block that may be the address of any pod', '[{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]', false],
    ['nothing', '[]', false],
  ])('S6.3: may be anywhere, so a rule for %s admits it: %s', (_, ingress, admitted) => {
    const { ingressController } = report(web(ingress));
    expect(ingressController.map(({ dst }) => dst)).toEqual(admitted ? ['shop/web[Pod]'] : []);
  });
});
