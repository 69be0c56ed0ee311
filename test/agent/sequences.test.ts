import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { canonicalDifference } from '../../src/targets/nftables/canonical.ts';
import { parseTable } from '../../src/targets/nftables/parse.ts';
import type { TableContent } from '../../src/targets/nftables/table.ts';
import { dice } from '../manifest/mutations.ts';
import { hasKernel } from '../simulator/namespace.ts';
import { fakeNft } from '../support/fake-nft.ts';
import { rig } from './rig.ts';
import { Life, listsOf, type Objects, tell } from './sequences.ts';

const EVENTS = Number(process.env.RAMPART_SEQUENCE_EVENTS ?? 10_000);
const KERNEL_EVENTS = Number(process.env.RAMPART_SEQUENCE_KERNEL_EVENTS ?? 600);

/** What an agent makes of a cluster that it sees for the first time, in an empty kernel. */
async function fromScratch(objects: Objects): Promise<TableContent> {
  const fresh = rig();
  fresh.list(listsOf(objects));
  fresh.loop.start();
  await fresh.clock.advance(1000);
  const content = fresh.kernel.content();
  await fresh.loop.stop();
  if (content === null) throw new Error(`nothing was written: ${fresh.told.join('; ')}`);
  return content;
}

describe('whatever happened before, in whatever order it was told', () => {
  for (const [title, telling, seed] of [
    ['one by one', { shuffle: false, repeat: false }, 1],
    ['out of order between objects, with repetitions and renewed lists', { shuffle: true, repeat: true }, 2],
  ] as const) {
    test(`the table is what the present cluster makes of an empty kernel: ${title}`, async () => {
      const life = new Life(seed);
      const roll = dice(seed * 1000);
      const told = rig();
      told.list({});
      told.loop.start();
      let events = 0;
      let syncs = 0;
      while (events < EVENTS / 2) {
        events += await tell(told, life, 60, roll, telling, async () => {
          // From nothing to several syncs: batches are split and joined at will.
          await told.clock.advance(roll(4) === 0 ? roll(400) : roll(40));
        });
        await told.clock.advance(1000);
        const content = told.kernel.content();
        expect(content).not.toBeNull();
        if (content !== null) expect(canonicalDifference(await fromScratch(life.objects), content)).toEqual([]);
        syncs = told.committed.length;
      }
      expect(events).toBeGreaterThanOrEqual(EVENTS / 2);
      expect(syncs).toBeGreaterThan(events / 40);
      expect(told.told.filter((line) => /^(failed|drifted)/.test(line))).toEqual([]);
      await told.loop.stop();
    });
  }

  test('nft that crashes, and others who write our table, change nothing about that', async () => {
    const life = new Life(3);
    const roll = dice(3000);
    const kernel = fakeNft('rampart');
    const told = rig({ kernel });
    told.list({});
    told.loop.start();
    let events = 0;
    while (events < EVENTS / 4) {
      events += await tell(told, life, 40, roll, { shuffle: true, repeat: true }, async () => {
        const accident = roll(12);
        if (accident === 0) kernel.accidents.push({ kind: 'broken' });
        else if (accident === 1) kernel.accidents.push({ kind: 'broken-after' });
        else if (accident === 2) kernel.accidents.push({ kind: 'refused', message: 'Device or resource busy' });
        else if (accident === 3) kernel.tables.delete('rampart');
        else if (accident === 4) {
          const sets = [...(kernel.tables.get('rampart')?.sets.values() ?? [])];
          sets[roll(Math.max(1, sets.length))]?.elements.clear();
        }
        await told.clock.advance(roll(200));
      });
      // Until the last retry, and the next time that the table is looked through.
      await told.clock.advance(100_000);
      const content = kernel.content();
      expect(content).not.toBeNull();
      if (content !== null) expect(canonicalDifference(await fromScratch(life.objects), content)).toEqual([]);
    }
    expect(told.told.some((line) => line.startsWith('drifted'))).toBe(true);
    expect(told.told.some((line) => line.startsWith('failed'))).toBe(true);
    await told.loop.stop();
  });

  test.runIf(hasKernel())('a real kernel ends with that, too', async () => {
    const name = `rampart-seq-${process.pid}`;
    const ip = (...args: string[]): void => {
      const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
      if (status !== 0) throw new Error(stderr);
    };
    ip('netns', 'add', name);
    try {
      const wrapper = ['ip', 'netns', 'exec', name, 'nft'];
      const life = new Life(4);
      const roll = dice(4000);
      // Every transaction goes to the fake as well, which must take what nft takes.
      const fake = fakeNft('rampart');
      const nft = (args: readonly string[], input = ''): { status: number | null; stdout: string; stderr: string } =>
        spawnSync(wrapper[0] ?? '', [...wrapper.slice(1), ...args], { input, encoding: 'utf8', maxBuffer: 1 << 28 });
      const refusals: string[] = [];
      const told = rig({
        kernel: {
          ...fake,
          async apply(text) {
            const { status, stderr } = nft(['-f', '-'], text);
            if (status !== 0) refusals.push(`${stderr}\n${text}`);
            return fake.apply(text);
          },
        },
      });
      told.list({});
      told.loop.start();
      let events = 0;
      while (events < KERNEL_EVENTS) {
        events += await tell(told, life, 50, roll, { shuffle: true, repeat: true }, async () => {
          await told.clock.advance(roll(100));
        });
        await told.clock.advance(1000);
        expect(refusals).toEqual([]);
        const listed = parseTable(nft(['-nn', 'list', 'table', 'inet', 'rampart']).stdout);
        if ('error' in listed) throw new Error(`line ${listed.line}: ${listed.error}`);
        expect(canonicalDifference(await fromScratch(life.objects), listed)).toEqual([]);
      }
      await told.loop.stop();
    } finally {
      ip('netns', 'del', name);
    }
  });
});
