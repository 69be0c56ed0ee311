import { describe, expect, test } from 'vitest';
import { EXIT } from '../../src/cli/exit-code.ts';
import { cli, folderOf, remove } from '../cli/run-cli.ts';
import { type Judgement, judge } from './judge.ts';
import { TOWN } from './town.ts';

const COUNT = 2000;

describe('damaged manifests, from text to verdicts', () => {
  const judged: Judgement[] = [];

  test('S1.9 neither crash nor open anything, and are reported', () => {
    for (let index = 0; index < COUNT; index++) {
      const judgement = judge(1, index);
      if (judgement.finding !== null) throw new Error(`number ${index}: ${judgement.finding}\n${judgement.text}`);
      judged.push(judgement);
    }
    const times = (outcome: string): number => judged.filter((one) => one.outcome === outcome).length;
    console.log(
      ['closes', 'no effect', 'opens: refused and said', 'opens: means something else', 'unclear']
        .map((outcome) => `${times(outcome)} ${outcome}`)
        .join(', '),
    );
    // Each way must be common, or the damage finds nothing; what cannot be judged must be rare.
    expect(times('closes')).toBeGreaterThan(COUNT / 20);
    expect(times('opens: refused and said')).toBeGreaterThan(COUNT / 20);
    expect(times('unclear')).toBeLessThan(COUNT / 100);
    // The town has 5 pods, 2 nodes and a handful of address ranges; no damage may make the work explode.
    expect(Math.max(...judged.map(({ work }) => work))).toBeLessThan(1000);
  });

  test('that a server would refuse end with exit code 3', async () => {
    const refused = judged.filter(({ outcome }) => outcome === 'opens: refused and said');
    const town = TOWN.map((one) => JSON.stringify(one)).join('\n---\n');
    for (const { text } of refused.slice(0, 12)) {
      const folder = folderOf({ 'town.yaml': town, 'policy.yaml': text });
      try {
        const { code, err } = await cli(['connectivity', '-f', folder]);
        expect([code, err.includes('policy.yaml')], text).toEqual([EXIT.findings, true]);
      } finally {
        remove(folder);
      }
    }
  });
});
