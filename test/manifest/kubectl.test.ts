import { execFile, spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { readManifests } from '../../src/manifest/read.ts';
import { ACCEPTED, HEAD, REFUSED, STRICTER } from './kubectl-cases.ts';

/** The fields of the fragment, without those of the head. */
function fieldsOf(object: unknown): unknown {
  const entries = Object.entries(object as object);
  return Object.fromEntries(entries.filter(([key]) => !['apiVersion', 'kind', 'metadata'].includes(key)));
}

function read(fragment: string) {
  return readManifests([{ file: 'f.yaml', text: HEAD + fragment }]);
}

describe('YAML is read as kubectl reads it', () => {
  it.each(ACCEPTED)('%j', (fragment, json) => {
    const { objects, diagnostics } = read(fragment);
    // Keys that occur twice are the one thing that kubectl does not tell.
    expect(diagnostics.filter(({ code }) => code !== 'RP008')).toEqual([]);
    expect(objects.map(({ value }) => fieldsOf(value))).toEqual([JSON.parse(json)]);
  });

  it.each(REFUSED)('refuses %j', (fragment, message) => {
    const { objects, diagnostics } = read(fragment);
    expect(objects).toEqual([]);
    expect(diagnostics).toHaveLength(1);
    const [diagnostic] = diagnostics;
    expect(diagnostic).toMatchObject({ severity: 'error', refused: true, at: { file: 'f.yaml' } });
    expect(diagnostic?.help).toBeTruthy();
    // What a value means is told in kubectl's words; where the syntax breaks, each parser sees it its own way.
    if (message.startsWith('cannot decode') || message.startsWith('map merge') || message.startsWith('!!binary')) {
      expect(diagnostic?.message).toBe(message);
    }
    expect(diagnostic?.at?.line).toBeGreaterThanOrEqual(1);
    expect(diagnostic?.at?.line).toBeLessThanOrEqual((HEAD + fragment).split('\n').length);
  });

  it.each(STRICTER)('says that it cannot read %j', (fragment) => {
    const { objects, diagnostics } = read(fragment);
    expect(objects).toEqual([]);
    expect(diagnostics).toMatchObject([{ code: 'RP003', refused: true, at: { file: 'f.yaml', line: 4 } }]);
  });
});

const hasKubectl = spawnSync('kubectl', ['version', '--client']).status === 0;
if (!hasKubectl) console.log('no kubectl on the PATH: its answers are not asked for again');

describe.skipIf(!hasKubectl)('kubectl still says so', () => {
  const ask = (input: string) =>
    new Promise<{ status: number; stdout: string; stderr: string }>((resolve) => {
      const command = ['patch', '--local', '-f', '-', '--type', 'merge', '-p', '{}', '-o', 'json'];
      const child = execFile('kubectl', command, { maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
        resolve({ status: error === null ? 0 : 1, stdout, stderr });
      });
      child.stdin?.end(input);
    });

  it('accepts the accepted', async () => {
    const all = [...ACCEPTED, ...STRICTER];
    const { status, stdout, stderr } = await ask(all.map(([fragment]) => HEAD + fragment).join('---\n'));
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const answers = stdout.split(/\n(?=\{)/).map((text) => fieldsOf(JSON.parse(text)));
    expect(answers).toEqual(all.map(([, json]) => JSON.parse(json)));
  });

  it('refuses the refused', async () => {
    const left = [...REFUSED];
    const worker = async (): Promise<void> => {
      for (let next = left.pop(); next !== undefined; next = left.pop()) {
        const [fragment, message] = next;
        const { status, stderr } = await ask(HEAD + fragment);
        expect({ fragment, status }).toEqual({ fragment, status: 1 });
        // Go's maps have no order, so what it prints of them has none.
        expect(stderr).toContain(message.split('{')[0]);
      }
    };
    await Promise.all([worker(), worker(), worker()]);
  });
});
