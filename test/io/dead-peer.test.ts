import { execFile, execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);

function able(): boolean {
  try {
    execFileSync('unshare', ['-n', 'nft', 'list', 'tables'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const possible = able();
if (!possible) console.log('skipped: a peer that vanishes needs network namespaces, nft, and the right to use them');

describe.skipIf(!possible)('a peer that vanishes without a word', () => {
  it('is noticed by keep-alive, long before the server would have ended a watch', async () => {
    const program = join(import.meta.dirname, 'dead-peer-program.ts');
    const script = 'ip link set lo up && exec "$0" "$1"';
    const args = ['-n', 'sh', '-c', script, process.execPath, program];
    const { stdout } = await run('unshare', args, { timeout: 58_000 });
    const after = Number(/^noticed (\d+)$/m.exec(stdout)?.[1]);
    expect(after).toBeGreaterThan(10_000);
    expect(after).toBeLessThan(40_000);
  });
});
