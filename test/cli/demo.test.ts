import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { hasKernel } from '../simulator/namespace.ts';
import { cli, command, launch } from './run-cli.ts';

it('the tour without packets shows the mistake of the example, its line, and what mending it opens', async () => {
  const { code, out, err } = await cli(['demo', '--offline']);
  expect([code, err]).toEqual([0, '']);
  expect(out).toContain('examples/shop/payments/policies.yaml:54:17\n');
  expect(out).toMatch(/> +54 \| +port: 8443\n +\| +\^\n/);
  expect(out).toContain('fix: in `NetworkPolicy/payments/allow-checkout`: add `port: 8080` to `spec.ingress[0].ports`');
  expect(out).toContain('+  opened  shop/checkout  →  payments/gateway  TCP 8080');
  expect(out).toContain('shop/checkout → svc/payments/gateway:8443 would be allowed.');
  expect(out).not.toContain('\u001b');
  expect((await cli(['demo', '--offline', '--color', 'always'])).out).toContain('\u001b[');
});

it('the tour is the same wherever it is started', async () => {
  const elsewhere = await launch(['demo', '--offline'], { cwd: tmpdir() });
  const here = await launch(['demo', '--offline']);
  expect(elsewhere.code).toBe(0);
  const numbers = (text: string): string => text.replaceAll(/\S*examples\/shop\S*/g, 'SHOP').replaceAll(/ +/g, ' ');
  expect(numbers(elsewhere.out)).toBe(numbers(here.out));
});

it('the commands that the tour shows answer as it says', async () => {
  const { out } = await cli(['demo', '--offline']);
  const [, first = ''] = out.split('$ rampart connectivity -f examples/shop\n\n');
  const { out: matrix } = await cli(['connectivity', '-f', 'examples/shop']);
  expect(first.startsWith(matrix)).toBe(true);
  const asked = /\$ rampart (explain .*)\n/.exec(out)?.[1]?.split(' ') ?? [];
  expect((await cli(asked)).out).toContain('✗ DENIED');
});

it.runIf(hasKernel())(
  'the tour with packets shows what the kernel lets through, and what mending the line changes',
  async () => {
    const { code, out } = await launch(['demo']);
    expect(code).toBe(0);
    expect(out).toMatch(/its cluster: 2 nodes and \d+ pods/);
    for (const line of [
      '✓ connected  ingress-nginx/controller → shop/frontend:8080',
      '✓ connected  shop/frontend → shop/api:8080',
      '✓ connected  shop/api → data/postgres:5432',
      '✗ no answer  shop/frontend → data/postgres:5432',
      '✗ no answer  payments/gateway → shop/api:8080',
    ]) {
      expect(out).toContain(line);
    }
    expect(out).toMatch(/port 8080, gets no answer\./);
    expect(out).toMatch(/connected {2}shop\/checkout → payments\/gateway:8080, \d+ ms after the API server was told/);
  },
);

it.runIf(hasKernel())('a machine that makes no namespaces gets the tour without packets, and a word', async () => {
  const script = 'echo 0 >/proc/sys/user/max_net_namespaces && exec ./rampart demo';
  const { code, out, err } = await command('unshare', ['-r', '-U', 'sh', '-c', script]);
  expect(code).toBe(0);
  expect(err).toContain('no lab on this machine: ');
  expect(err).toContain('help: ');
  expect(out).toContain('+  opened  shop/checkout  →  payments/gateway  TCP 8080');
});
