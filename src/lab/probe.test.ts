import { describe, expect, test } from 'vitest';
import { unanswerable } from '../engine/explain/answer.ts';
import type { VerdictKind } from '../model/verdict.ts';
import { type ProbeOptions, type Prober, probe, probeReport } from './probe.ts';
import type { Seen } from './probe-compare.ts';
import type { PlannedFlow, Try } from './probe-plan.ts';

const OPTIONS: ProbeOptions = {
  timeoutMs: 10,
  perActor: 4,
  inFlight: 8,
  pausesMs: [1, 1],
  totalMs: 60_000,
  signal: new AbortController().signal,
};
const OPEN: Seen = { observed: 'allowed', detail: 'answered', ms: 1, peer: 'shop/b' };
const CLOSED: Seen = { observed: 'denied', detail: 'no answer', ms: 10, peer: null };
const QUIET: Seen = { observed: 'error', detail: 'no answer', ms: 1, peer: null, blind: 'UDP', quiet: true };
const LOST: Seen = { observed: 'error', detail: 'lost', ms: 1, peer: null };

function attempt(actor: string, host: string): Try {
  return { actor, from: actor, fromAddress: null, protocol: 'TCP', host, port: 80, peers: ['shop/b'], nodes: ['n'] };
}

function flow(verdict: VerdictKind, tries: readonly Try[], unverifiable: string | null = null): PlannedFlow {
  return { answer: { question: {}, ...unanswerable(null, 'x'), verdict }, tries, unverifiable };
}

/** Says of each host what the script says, the last word again and again. */
function scripted(
  script: Readonly<Record<string, readonly Seen[]>>,
): Prober & { readonly asked: string[]; most: number } {
  const times = new Map<string, number>();
  let under = 0;
  const self = {
    asked: [] as string[],
    most: 0,
    async attempt(actor: string, attempts: readonly { readonly host: string }[]) {
      under += attempts.length;
      self.most = Math.max(self.most, under);
      await new Promise((resolve) => setTimeout(resolve, 1));
      under -= attempts.length;
      return attempts.map(({ host }) => {
        self.asked.push(`${actor} ${host}`);
        const n = times.get(host) ?? 0;
        times.set(host, n + 1);
        const words = script[host] ?? [];
        const word = words[Math.min(n, words.length - 1)];
        if (word === undefined) throw new Error(`nothing scripted for ${host}`);
        return word;
      });
    },
  };
  return self;
}

describe('a flow', () => {
  test.each([
    ['allowed', [OPEN], 'allowed', true],
    ['denied', [CLOSED], 'denied', true],
    ['allowed', [CLOSED], 'denied', false],
    ['denied', [OPEN], 'allowed', false],
    ['allowed', [LOST], 'error', false],
    ['denied', [LOST], 'error', false],
    // Of several connections the one that contradicts counts.
    ['allowed', [OPEN, CLOSED], 'denied', false],
    ['denied', [CLOSED, OPEN], 'allowed', false],
    ['denied', [CLOSED, LOST], 'error', false],
  ] as const)('that should be %s and shows %j is observed as %s', async (verdict, seen, observed, agrees) => {
    const script = Object.fromEntries(seen.map((one, i) => [`h${i}`, [one]]));
    const planned = flow(
      verdict,
      seen.map((_, i) => attempt('a', `h${i}`)),
    );
    const { flows } = await probe([planned], scripted(script), OPTIONS);
    expect(flows[0]).toMatchObject({ observed, agrees, unverifiable: null });
  });

  test('that could not be asked again, because the time was up, stays as it was seen', async () => {
    const planned = flow('allowed', [attempt('a', 'h')]);
    const { flows } = await probe([planned], scripted({ h: [CLOSED] }), { ...OPTIONS, pausesMs: [60], totalMs: 30 });
    expect(flows[0]).toMatchObject({
      observed: 'denied',
      agrees: false,
      rounds: 1,
      attempts: [{ detail: 'no answer' }],
    });
  });

  test('that is undefined never disagrees, and is not counted as agreeing either', async () => {
    const planned = flow('undefined', [attempt('a', 'h')], 'labels unknown');
    const probed = await probe([planned], scripted({ h: [OPEN] }), OPTIONS);
    const report = probeReport(probed, { where: 'w', via: 'v', skipped: [], diagnostics: [] });
    expect(report).toMatchObject({ disagreements: 0, unverifiable: 1 });
    expect(report.flows[0]).toMatchObject({
      observed: 'allowed',
      agrees: true,
      unverifiable: 'labels unknown',
      rounds: 1,
    });
    expect(report.counts).toEqual([{ expected: 'undefined', observed: 'allowed', flows: 1 }]);
  });

  test('that somebody else answers is an error', async () => {
    const planned = flow('allowed', [attempt('a', 'h')]);
    const { flows } = await probe([planned], scripted({ h: [{ ...OPEN, peer: 'shop/c' }] }), OPTIONS);
    expect(flows[0]).toMatchObject({ observed: 'error', agrees: false, detail: '`shop/c` answered in its place' });
  });

  test('whose silence tells nothing is not compared, unless the place answers somebody', async () => {
    const script = { quiet: [QUIET], place: [QUIET, OPEN] };
    const alone = await probe([flow('denied', [attempt('a', 'quiet')])], scripted(script), OPTIONS);
    expect(alone.flows[0]).toMatchObject({ observed: 'error', agrees: true, unverifiable: 'UDP' });
    const both = [flow('denied', [attempt('a', 'place')]), flow('allowed', [attempt('b', 'place')])];
    const { flows } = await probe(both, scripted(script), OPTIONS);
    expect(flows[0]).toMatchObject({ observed: 'denied', agrees: true, unverifiable: null });
    const wrong = [flow('allowed', [attempt('a', 'place')]), flow('allowed', [attempt('b', 'place')])];
    const settled = await probe(wrong, scripted({ place: [QUIET, OPEN, QUIET] }), OPTIONS);
    expect(settled.flows[0]).toMatchObject({ observed: 'denied', agrees: false });
  });
});

describe('disagreements', () => {
  test('are asked again, and both counts are told', async () => {
    const plan = [
      flow('denied', [attempt('a', 'late')]),
      flow('denied', [attempt('a', 'wrong')]),
      flow('denied', [attempt('a', 'right')]),
    ];
    const prober = scripted({ late: [OPEN, OPEN, CLOSED], wrong: [OPEN], right: [CLOSED] });
    const { flows, disagreedAtFirst, attempts } = await probe(plan, prober, OPTIONS);
    expect(disagreedAtFirst).toBe(2);
    expect(flows.map(({ agrees, rounds }) => [agrees, rounds])).toEqual([
      [true, 3],
      [false, 3],
      [true, 1],
    ]);
    expect(attempts).toBe(7);
    expect(prober.asked.filter((one) => one === 'a right')).toHaveLength(1);
  });

  test('that are left are traced while they are tried once more', async () => {
    const plan = [flow('denied', [attempt('a', 'wrong')]), flow('denied', [attempt('a', 'right')])];
    const prober = scripted({ wrong: [OPEN], right: [CLOSED] });
    const traced: string[] = [];
    const { flows } = await probe(plan, prober, {
      ...OPTIONS,
      trace: async ({ tries }, again) => {
        const before = prober.asked.length;
        await again();
        traced.push(`${tries[0]?.host} ${prober.asked.length - before}`);
        return ['seen'];
      },
    });
    expect(traced).toEqual(['wrong 1']);
    expect(flows.map(({ trace }) => trace)).toEqual([['seen'], []]);
  });
});

describe('the load', () => {
  const many = Array.from({ length: 10 }, (_, a) =>
    Array.from({ length: 9 }, (_, h) => flow('denied', [attempt(`a${a}`, `h${h}`)])),
  ).flat();
  const script = Object.fromEntries(Array.from({ length: 9 }, (_, h) => [`h${h}`, [CLOSED]]));

  test('stays below what may be in flight', async () => {
    const prober = scripted(script);
    const { flows, attempts } = await probe(many, prober, OPTIONS);
    expect(flows.every(({ agrees }) => agrees)).toBe(true);
    expect(attempts).toBe(90);
    expect(prober.most).toBeLessThanOrEqual(OPTIONS.inFlight);
    expect(prober.most).toBeGreaterThan(OPTIONS.perActor);
  });

  test('asks the same connection once a round, whoever asks for it', async () => {
    const prober = scripted({ h: [CLOSED] });
    const twice = [flow('denied', [attempt('a', 'h')]), flow('denied', [attempt('a', 'h')])];
    const { flows } = await probe(twice, prober, OPTIONS);
    expect(prober.asked).toEqual(['a h']);
    expect(flows.every(({ agrees }) => agrees)).toBe(true);
  });

  test('ends when the time is up, and what was not asked does not agree', async () => {
    const slow: Prober = {
      attempt: async (_, attempts) => {
        await new Promise((resolve) => setTimeout(resolve, 40));
        return attempts.map(() => CLOSED);
      },
    };
    const { flows } = await probe(many, slow, { ...OPTIONS, totalMs: 60 });
    const left = flows.filter(({ detail }) => detail === 'not asked: the time was up');
    expect(left.length).toBeGreaterThan(0);
    expect(left.length).toBeLessThan(flows.length);
    expect(left.every(({ agrees, observed }) => !agrees && observed === 'error')).toBe(true);
  });

  test('stops when it is called off, and when asking fails', async () => {
    const controller = new AbortController();
    const prober = scripted(script);
    const stopping: Prober = {
      attempt: (actor, attempts, options) => {
        controller.abort();
        return prober.attempt(actor, attempts, options);
      },
    };
    await expect(probe(many, stopping, { ...OPTIONS, signal: controller.signal })).rejects.toThrow();
    let calls = 0;
    const failing: Prober = {
      attempt: async () => {
        calls++;
        throw new Error('gone');
      },
    };
    await expect(probe(many, failing, OPTIONS)).rejects.toThrow('gone');
    expect(calls).toBeLessThanOrEqual(2);
  });
});
