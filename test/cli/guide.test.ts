/** The commands of the guides are run, and have to say what the guides say. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TOP } from '../support/source-files.ts';
import { command, folderOf, launch, remove, SHOP } from './run-cli.ts';

const GUIDES = join(TOP, 'docs/guide');
const MISTAKE = 'port: 8443';

/** The questions of the guide on getting started, as it prints them. */
function flowsOf(guide: string): string {
  return /```yaml\n([^`]*src: [^`]*)```/.exec(guide)?.[1] ?? '';
}

const BLOCK = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: from-block}
spec: {podSelector: {matchLabels: {app: server}}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}
${['client', 'server']
  .map(
    (name) => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}}}
spec: {containers: []}
`,
  )
  .join('')}`;

const hasJq = spawnSync('jq', ['--version']).status === 0;
if (!hasJq) console.log('skipped: commands of the guides that pipe into jq, which is not installed');

let folder = '';
beforeAll(async () => {
  expect((await launch(['--version'])).code).toBe(0);
  folder = folderOf({
    'block.yaml': BLOCK,
    'flows.yaml': flowsOf(readFileSync(join(GUIDES, 'getting-started.md'), 'utf8')),
  });
  mkdirSync(join(folder, 'bin'));
  symlinkSync(join(TOP, 'rampart'), join(folder, 'bin/rampart'));
  symlinkSync(join(TOP, 'examples'), join(folder, 'examples'));
  cpSync(SHOP, join(folder, 'shop'), { recursive: true });
  const git = (...args: readonly string[]): void => {
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], {
      cwd: folder,
      stdio: 'pipe',
    });
  };
  git('init', '-q', '-b', 'main');
  git('add', 'shop');
  git('commit', '-qm', 'shop');
  const policies = join(folder, 'shop/payments/policies.yaml');
  writeFileSync(policies, readFileSync(policies, 'utf8').replace(MISTAKE, 'port: 8080'));
}, 120_000);
afterAll(() => remove(folder));

interface Session {
  readonly line: string;
  readonly expected: string;
}

function sessionsOf(guide: string): readonly Session[] {
  const blocks = [...guide.matchAll(/```console\n([\s\S]*?)```/g)].map((match) => match[1] ?? '');
  return blocks.flatMap((block) =>
    block
      .split(/^\$ /m)
      .filter((part) => part !== '')
      .map((part) => {
        const end = part.indexOf('\n');
        return { line: part.slice(0, end), expected: part.slice(end + 1) };
      }),
  );
}

describe.each(readdirSync(GUIDES).filter((name) => readFileSync(join(GUIDES, name), 'utf8').includes('```console')))(
  '%s',
  (name) => {
    const sessions = sessionsOf(readFileSync(join(GUIDES, name), 'utf8'));
    const runnable = sessions.filter(({ line }) => hasJq || !line.includes('jq '));
    it.each(runnable)('$line', async ({ line, expected }) => {
      const path = [join(folder, 'bin'), process.env.PATH].join(delimiter);
      const { out } = await command('bash', ['-c', `{ ${line}; } 2>&1`], { cwd: folder, env: { PATH: path } });
      expect(`${out.trimEnd()}\n`).toBe(`${expected.trimEnd()}\n`);
    });
  },
);
