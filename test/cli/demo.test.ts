import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { cli, launch } from './run-cli.ts';

it('the tour shows the mistake of the example, its line, and what mending it opens', async () => {
  const { code, out, err } = await cli(['demo']);
  expect([code, err]).toEqual([0, '']);
  expect(out).toContain('examples/shop/payments/policies.yaml:54:17\n');
  expect(out).toMatch(/> +54 \| +port: 8443\n +\| +\^\n/);
  expect(out).toContain('fix: in `NetworkPolicy/payments/allow-checkout`: add `port: 8080` to `spec.ingress[0].ports`');
  expect(out).toContain('+  opened  shop/checkout  →  payments/gateway  TCP 8080');
  expect(out).toContain('shop/checkout → svc/payments/gateway:8443 would be allowed.');
  expect(out).not.toContain('\u001b');
  expect((await cli(['demo', '--color', 'always'])).out).toContain('\u001b[');
});

it('the tour is the same wherever it is started', async () => {
  const elsewhere = await launch(['demo'], { cwd: tmpdir() });
  const here = await launch(['demo']);
  expect(elsewhere.code).toBe(0);
  const numbers = (text: string): string => text.replaceAll(/\S*examples\/shop\S*/g, 'SHOP').replaceAll(/ +/g, ' ');
  expect(numbers(elsewhere.out)).toBe(numbers(here.out));
});

it('the commands that the tour shows answer as it says', async () => {
  const { out } = await cli(['demo']);
  const [, first = ''] = out.split('$ rampart connectivity -f examples/shop\n\n');
  const { out: matrix } = await cli(['connectivity', '-f', 'examples/shop']);
  expect(first.startsWith(matrix)).toBe(true);
  const asked = /\$ rampart (explain .*)\n/.exec(out)?.[1]?.split(' ') ?? [];
  expect((await cli(asked)).out).toContain('✗ DENIED');
});
