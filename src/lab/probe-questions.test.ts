import { expect, test } from 'vitest';
import type { ProbePod, Topology } from './probe-plan.ts';
import { pairQuestions } from './probe-questions.ts';

function pod(id: string, workload: string, more: Partial<ProbePod> = {}): ProbePod {
  const listeners = [{ protocol: 'TCP', port: 80 } as const];
  return { id, actor: id, addresses: ['10.1.0.1'], listeners, node: 'n', workload, ...more };
}

function topology(...pods: readonly ProbePod[]): Topology {
  return {
    pods: new Map(pods.map((one) => [one.id, one])),
    nodes: new Map(),
    outside: { actor: 'outside', addresses: ['192.0.2.1'], listeners: 'any' },
    impossible: new Map([['SCTP', 'no sockets']]),
  };
}

const ALL = { pods: 'all', outside: [], outsidePorts: [], namespace: null, most: 100 } as const;
const words = (
  ...[world, options = ALL]: readonly [Topology, Parameters<typeof pairQuestions>[1]?]
): readonly string[] =>
  pairQuestions(world, options).questions.map(({ src, dst, protocol, port }) => `${src} ${dst} ${protocol} ${port}`);

const WORLD = topology(
  pod('s/a-0', 'a'),
  pod('s/a-1', 'a'),
  pod('s/a-2', 'a'),
  pod('s/b', 'b', {
    listeners: [
      { protocol: 'UDP', port: 53 },
      { protocol: 'SCTP', port: 9 },
    ],
  }),
);

test('every ordered pair of different pods, over the ports of the destination', () => {
  expect(words(WORLD)).toEqual([
    's/a-0 s/a-1 TCP 80',
    's/a-0 s/a-2 TCP 80',
    's/a-0 s/b UDP 53',
    's/a-1 s/a-0 TCP 80',
    's/a-1 s/a-2 TCP 80',
    's/a-1 s/b UDP 53',
    's/a-2 s/a-0 TCP 80',
    's/a-2 s/a-1 TCP 80',
    's/a-2 s/b UDP 53',
    's/b s/a-0 TCP 80',
    's/b s/a-1 TCP 80',
    's/b s/a-2 TCP 80',
  ]);
  expect(pairQuestions(WORLD, ALL).skipped).toEqual([{ what: 'SCTP', because: 'no sockets', flows: 3 }]);
});

test('one pod of each workload, and a second one for what its pods say to each other', () => {
  expect(words(WORLD, { ...ALL, pods: 'one' })).toEqual([
    's/a-0 s/a-1 TCP 80',
    's/a-0 s/b UDP 53',
    's/a-1 s/a-0 TCP 80',
    's/a-1 s/b UDP 53',
    's/b s/a-0 TCP 80',
    's/b s/a-1 TCP 80',
  ]);
});

test('the outside in both directions, over families that both have', () => {
  const world = topology(pod('s/a', 'a'), pod('s/six', 'six', { addresses: ['fd01::1'] }));
  const outsidePorts = [{ protocol: 'TCP', port: 443 } as const];
  const asked = words(world, { ...ALL, outside: ['192.0.2.1', '2001:db8::1'], outsidePorts });
  expect(asked.filter((text) => /192|2001/.test(text))).toEqual([
    '192.0.2.1 s/a TCP 80',
    's/a 192.0.2.1 TCP 443',
    '2001:db8::1 s/six TCP 80',
    's/six 2001:db8::1 TCP 443',
  ]);
});

test('no more than may be asked, and how many there would be', () => {
  const { questions, wanted } = pairQuestions(WORLD, { ...ALL, most: 5 });
  expect([questions.length, wanted]).toEqual([5, 12]);
});

test('nothing from a pod that cannot be asked, and it is said', () => {
  const world = topology(pod('s/a', 'a'), pod('s/b', 'b', { actor: null, whyNot: 'asleep' }));
  expect(words(world)).toEqual(['s/a s/b TCP 80']);
  expect(pairQuestions(world, ALL).skipped).toEqual([{ what: 'from s/b', because: 'asleep', flows: 1 }]);
});

test('about one namespace: from its pods and to them, the outside as well', () => {
  const world = topology(pod('s/a', 'a'), pod('s/b', 'b'), pod('t/c', 'c'), pod('t/d', 'd'));
  const outsidePorts = [{ protocol: 'TCP', port: 443 } as const];
  expect(words(world, { ...ALL, namespace: 't', outside: ['192.0.2.1'], outsidePorts })).toEqual([
    's/a t/c TCP 80',
    's/a t/d TCP 80',
    's/b t/c TCP 80',
    's/b t/d TCP 80',
    't/c s/a TCP 80',
    't/c s/b TCP 80',
    't/c t/d TCP 80',
    't/d s/a TCP 80',
    't/d s/b TCP 80',
    't/d t/c TCP 80',
    '192.0.2.1 t/c TCP 80',
    't/c 192.0.2.1 TCP 443',
    '192.0.2.1 t/d TCP 80',
    't/d 192.0.2.1 TCP 443',
  ]);
});
