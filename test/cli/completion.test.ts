import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.ts';
import { cli, folderOf, remove } from './run-cli.ts';

function installed(program: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    return true;
  } catch {
    console.log(`skipped: completion in ${program}, which is not installed`);
    return false;
  }
}

let folder = '';
const at = (name: string): string => join(folder, name);
beforeAll(async () => {
  folder = folderOf({ 'manifests/a.yaml': '', 'menu.yaml': '' });
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, out } = await cli(['completion', shell]);
    expect(code).toBe(0);
    writeFileSync(at(shell), out);
  }
});
afterAll(() => remove(folder));

describe.runIf(installed('bash'))('completion in bash', () => {
  /** What Tab offers behind these words; the last one is unfinished. */
  function offered(...words: readonly string[]): readonly string[] {
    const script = `source ./bash
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=\${#COMP_LINE}
_rampart
printf '%s\\n' "\${COMPREPLY[@]}"`;
    const out = execFileSync('bash', ['--norc', '-c', script, 'bash', ...words], { cwd: folder, encoding: 'utf8' });
    return out.split('\n').filter((line) => line !== '');
  }

  it('is a script without faults', () => {
    execFileSync('bash', ['-n', at('bash')]);
  });

  it('offers the commands', () => {
    expect(offered('rampart', '')).toEqual([...COMMANDS.map(({ name }) => name), '--help', '--version']);
    expect(offered('rampart', 'ex')).toEqual(['explain', 'exposure']);
    expect(offered('kubectl-rampart', 'di')).toEqual(['diff']);
  });

  it('offers the options of a command', () => {
    expect(offered('rampart', 'connectivity', '--na')).toEqual(['--namespace']);
    expect(offered('rampart', 'diff', '--fr')).toEqual(['--from']);
    expect(offered('rampart', 'query', '--fr')).toEqual([]);
    expect(offered('rampart', 'explain', '-')).toEqual(expect.arrayContaining(['-f', '--filename', '-o', '--help']));
  });

  it('offers the values of an option', () => {
    expect(offered('rampart', 'connectivity', '-o', 'm')).toEqual(['markdown', 'mermaid']);
    expect(offered('rampart', 'explain', '--direction', '')).toEqual(['egress', 'ingress']);
    expect(offered('rampart', 'completion', '')).toEqual(['bash', 'zsh', 'fish', '-h', '--help']);
  });

  it('offers files where an option takes one', () => {
    expect([...offered('rampart', 'validate', '-f', 'm')].sort()).toEqual(['manifests', 'menu.yaml']);
    expect(offered('rampart', 'diff', '--to', 'man')).toEqual(['manifests']);
  });

  it('is bound to the names under which it is started', () => {
    const bound = execFileSync('bash', ['--norc', '-c', 'source ./bash; complete -p rampart kubectl-rampart'], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect(bound.match(/-F _rampart/g)).toHaveLength(2);
  });
});

it.runIf(installed('zsh'))('completion in zsh is a script without faults', () => {
  execFileSync('zsh', ['-n', at('zsh')]);
});

it.runIf(installed('fish'))('completion in fish is a script without faults', () => {
  execFileSync('fish', ['-n', at('fish')]);
});
