import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli, folderOf, type Json, json, remove, SHOP } from './run-cli.ts';
import { WORLD } from './world.ts';

let folder = '';
let world = '';
beforeAll(() => {
  const twins = ['Deployment', 'StatefulSet'].map(
    (kind) => `apiVersion: apps/v1
kind: ${kind}
metadata: {name: twin, namespace: shop}
spec: {selector: {matchLabels: {app: twin}}, template: {metadata: {labels: {app: twin}}, spec: {containers: []}}}
`,
  );
  folder = folderOf({ 'world.yaml': WORLD, 'twins.yaml': `${WORLD}---\n${twins.join('---\n')}` });
  world = join(folder, 'world.yaml');
});
afterAll(() => remove(folder));

const explain = (src: string, dst: string, ...options: readonly string[]): ReturnType<typeof cli> =>
  cli(['explain', src, dst, '-f', world, ...options]);

describe('the exit code', () => {
  it.each([
    ['shop/api', 'shop/db:5432', 0],
    ['front/web', 'shop/db:5432', 2],
    ['shop/api', 'shop/db', 2],
    ['front/web', 'front/web', 0],
    ['shop/api', 'svc/shop/db:15432', 0],
    ['shop/nobody', 'shop/db:5432', 64],
  ])('%s → %s', async (src, dst, code) => {
    expect((await explain(src, dst)).code).toBe(code);
  });

  it('is that of one end where only one is asked for', async () => {
    expect((await explain('front/web', 'shop/db:5432', '--direction', 'egress')).code).toBe(0);
    expect((await explain('front/web', 'shop/db:5432', '--direction', 'ingress')).code).toBe(2);
  });
});

describe('the story', () => {
  it('of a denied flow names what isolates, what nearly matched, and the change', async () => {
    const { out } = await cli(['explain', 'shop/checkout', 'svc/payments/gateway:8443', '-f', SHOP]);
    expect(out).toContain('✗ DENIED');
    expect(out).toContain('≈ spec.ingress[0]  nearly: the source matches, but port 8080 ≠ 8443');
    expect(out).toContain(`${join(SHOP, 'payments/policies.yaml')}:54:17`);
    expect(out).toContain('add `port: 8080` to `spec.ingress[0].ports`');
  });

  it('says each thing once', async () => {
    const questions = [
      ['shop/checkout', 'svc/payments/gateway:8443'],
      ['shop/checkout', 'payments/gateway:8080'],
      ['203.0.113.9', 'shop/api:8080'],
      ['shop/cart', 'data/redis'],
      ['monitoring/prometheus', 'shop/cart:metrics'],
    ] as const;
    for (const [src, dst] of questions) {
      for (const verbose of [[], ['-v']]) {
        const { out } = await cli(['explain', src, dst, '-f', SHOP, ...verbose]);
        const lines = out
          .split('\n')
          .filter((line) => /\w{3}/.test(line) && !/^ *(?:[→·✓✗?] )?\w+ |no \w+ rules$/.test(line));
        // A policy that selects both ends stands at both.
        const [egress = '', ingress = ''] = out.split(/^ingress at/m);
        for (const part of [egress, ingress]) {
          const own = lines.filter((line) => part.includes(line));
          expect(own.filter((line, i) => own.indexOf(line) !== i)).toEqual([]);
        }
        expect(out).not.toMatch(/\]\s{2,}(?:\/|$)/m);
      }
    }
  });

  it('leaves policies without a say to --verbose', async () => {
    const args = ['shop/checkout', 'payments/gateway:8080', '-f', SHOP];
    const brief = await cli(['explain', ...args]);
    const long = await cli(['explain', ...args, '--verbose']);
    expect(brief.out).not.toContain('has no effect on');
    expect(long.out).toContain(
      '`NetworkPolicy/payments/allow-dns` selects it, but its `policyTypes` do not list `Ingress`',
    );
  });

  it('without a port tells ports apart', async () => {
    const { out } = await explain('shop/api', 'shop/db');
    expect(out).toContain('? UNDEFINED  depends on the port: allowed for TCP 5432');
    expect(out).toMatch(/by ports\n.*✗ denied {3}all but TCP 5432.*\n.*✓ allowed {2}TCP 5432/);
    const report = await json(['explain', 'shop/api', 'shop/db', '-f', world]);
    const byPorts = report.byPorts as readonly { readonly ports: Json; readonly verdict: string }[];
    expect(byPorts.find((part) => part.verdict === 'allowed')?.ports).toEqual({ TCP: [[5432, 5432]] });
    expect(byPorts.find((part) => part.verdict === 'denied')?.ports).toEqual({
      TCP: [
        [1, 5431],
        [5433, 65535],
      ],
      UDP: [[1, 65535]],
      SCTP: [[1, 65535]],
    });
  });
});

describe('the question', () => {
  it.each([
    ['shop/db:5432', { dst: 'shop/db', protocol: 'TCP', port: 5432 }],
    ['shop/db:53/udp', { dst: 'shop/db', protocol: 'UDP', port: 53 }],
    ['shop/db:pg', { dst: 'shop/db', port: 'pg' }],
    ['shop/db', { dst: 'shop/db' }],
    ['svc/shop/db:15432', { dst: 'svc/shop/db', protocol: 'TCP', port: 15432 }],
    ['[fd00::6]:5432', { dst: '[fd00::6]', protocol: 'TCP', port: 5432 }],
    ['fd00::6', { dst: 'fd00::6' }],
    ['10.1.0.6:5432', { dst: '10.1.0.6', protocol: 'TCP', port: 5432 }],
    ['10.1.0.0/24:5432', { dst: '10.1.0.0/24', protocol: 'TCP', port: 5432 }],
    ['fqdn:example.com:443', { dst: 'fqdn:example.com', protocol: 'TCP', port: 443 }],
  ])('%s', async (dst, expected) => {
    const report = await json(['explain', 'shop/api', dst, '-f', world]);
    const { src, protocol, port } = report;
    expect({ src, dst: report.dst, protocol, port }).toEqual({
      src: 'shop/api',
      protocol: undefined,
      port: undefined,
      ...expected,
    });
  });

  it('about ICMP has no port', async () => {
    const report = await json(['explain', '10.1.0.5', '10.1.0.6', '--protocol', 'ICMP', '-f', world]);
    expect(report).toMatchObject({ protocol: 'ICMP', verdict: 'denied' });
    expect(report).not.toHaveProperty('port');
  });
});

describe('an endpoint that is not known', () => {
  it.each([
    ['shop/apii', 'there is no pod or workload `apii` in namespace `shop`', 'did you mean `shop/api`?'],
    ['shpo/api', 'there is no namespace `shpo`', 'did you mean `shop/api`?'],
    ['front/api', 'there is no pod or workload `api` in namespace `front`', 'did you mean `shop/api`?'],
    ['shop/sts/db', 'there is no statefulset `db` in namespace `shop`', 'did you mean `shop/pod/db`'],
    ['deploy/web', '`deploy/web` has no namespace', 'did you mean `front/deployment/web`?'],
    ['svc/shop/nothing', 'there is no Service `nothing` in namespace `shop`', 'the input has the services shop/db'],
    ['shop/zzzzzz', 'there is no pod or workload `zzzzzz`', 'the input has the workloads shop/api, shop/db'],
    ['zzzzzz/api', 'there is no namespace `zzzzzz`', 'the input has the namespaces front, shop'],
    ['node/n9x', 'there is no node `n9x`', 'n1'],
    ['api', '`api` has no namespace before its name', 'write `namespace/pod`'],
    ['shop/api:80', 'the port belongs to the destination', 'write it there: shop/db:80'],
    ['', 'the endpoint is empty', 'write `namespace/pod`'],
    ['300.1.1.1', '`300.1.1.1`', ''],
    ['10.0.0.0/33', '`10.0.0.0/33` is no CIDR', 'the length of an IPv4 prefix is 0 to 32'],
    ['shop/api:70000', 'port `70000` is not between 1 and 65535', 'write'],
    ['a/b/c/d', '`a/b/c/d`', 'write'],
  ])('%s', async (src, message, help) => {
    const { code, out, err } = await explain(src, 'shop/db:5432');
    expect([code, out]).toEqual([64, '']);
    const [first = '', second = ''] = err.split('\n');
    expect(first).toContain(message);
    expect(second).toContain(help);
  });

  it('because several have its name lists them all', async () => {
    const { code, err } = await cli(['explain', 'shop/twin', 'shop/db:5432', '-f', join(folder, 'twins.yaml')]);
    expect([code, err]).toEqual([
      64,
      'rampart: `shop/twin` is the name of several things\n  help: did you mean `shop/deployment/twin`, `shop/statefulset/twin`?\n',
    ]);
    const one = await cli(['explain', 'shop/sts/twin', 'front/web', '-f', join(folder, 'twins.yaml')]);
    expect(one.code).toBe(0);
  });
});
