/** `rampart agent` where it needs no rights: what it prints, and what it refuses. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli, folderOf, remove, SHOP } from './run-cli.ts';

const PLACED = `
apiVersion: v1
kind: Pod
metadata: {name: a, labels: {app: a}}
spec: {nodeName: n1, containers: [{name: c, image: x}]}
status: {podIPs: [{ip: 10.1.2.3}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny}
spec: {podSelector: {}}
`;

let folder = '';
beforeAll(() => {
  folder = folderOf({ 'placed.yaml': PLACED, 'bad.yaml': `${PLACED}---\nkind: [` });
});
afterAll(() => remove(folder));

const dryRun = (file: string, ...more: readonly string[]) => cli(['agent', '--once', '--dry-run', '-f', file, ...more]);

describe('rampart agent --once --dry-run', () => {
  it('prints the ruleset of a node', async () => {
    const { code, out, err } = await dryRun(join(folder, 'placed.yaml'), '--node', 'n1');
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain('table inet rampart {');
    expect(out).toContain('10.1.2.3');
  });

  it('says where nobody is guarded: pods of another node, or of no node at all', async () => {
    const other = await dryRun(join(folder, 'placed.yaml'), '--node', 'n2');
    expect(other.code).toBe(0);
    expect(other.out).not.toContain('10.1.2.3');
    expect(other.err).toBe(
      'nobody is guarded: the input has no pod with an address on the node `n2`\n  help: it has pods on `n1`\n',
    );
    const plain = await dryRun(SHOP, '--node', 'n1');
    expect([plain.code, plain.err]).toEqual([0, expect.stringContaining('pods need `spec.nodeName`')]);
  });

  it('ends with 3 where manifests are broken', async () => {
    const { code, out, err } = await dryRun(join(folder, 'bad.yaml'), '--node', 'n1');
    expect([code, err]).toEqual([3, expect.stringMatching(/^\S+bad\.yaml:\d+:\d+ RP003 error/)]);
    expect(out).toContain('10.1.2.3');
  });
});

it.each([
  [['agent'], 64, 'it is not said which node this is'],
  [['agent', '--once', '-f', 'x'], 64, 'it is not said which node this is'],
  [['agent', '--once', '--check'], 64, '--once and --check exclude each other'],
  [['agent', '--dry-run', '--node', 'x'], 64, '--dry-run belongs to --once'],
  [['agent', '--cleanup', '--nft', '/nowhere/nft'], 1, '`rampart agent --check` says what is missing'],
  [['lab', 'up', '--bogus'], 64, 'see `rampart lab up --help`'],
  [['lab', 'down', 'x'], 64, 'too many arguments for `down`; expected 0 arguments but got 1: x'],
  [['lab', 'status', '--name', 'A_B'], 64, 'argument `A_B` is invalid: up to 40 small letters'],
  [['probe', '--lab', 'A_B'], 64, 'argument `A_B` is invalid: up to 40 small letters'],
] as const)('refuses %j', async (args, status, text) => {
  const { code, err } = await cli([...args]);
  expect([code, err]).toEqual([status, expect.stringContaining(text)]);
});
