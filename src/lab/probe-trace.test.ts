import { describe, expect, test } from 'vitest';
import type { Try } from './probe-plan.ts';
import { traceFlow, traceLines, traceTable } from './probe-trace.ts';

const TRY: Try = {
  actor: 'a',
  from: 'shop/a',
  fromAddress: null,
  protocol: 'TCP',
  host: '10.1.0.2',
  port: 80,
  peers: ['shop/b'],
  nodes: ['n1'],
};
/** As nft 1.0.6 prints it. */
const TEXT = `trace id 524f5fc6 inet rampart_trace output packet: oif "lo" ip saddr 10.1.0.1 ip daddr 10.1.0.2 tcp dport 80
trace id 524f5fc6 inet rampart_trace output policy accept 
trace id 88150c4b inet rampart forward packet: iif "lo" ip saddr 10.1.0.1 ip daddr 10.1.0.2 tcp dport 80 tcp flags == syn
trace id 88150c4b inet rampart forward rule tcp dport 80 counter packets 3 bytes 180 jump s_1 (verdict jump s_1)
trace id 88150c4b inet rampart s_1 policy accept 
trace id 88150c4b ip filter FORWARD rule tcp dport 81 accept (verdict accept)
trace id 88150c4b ip filter FORWARD rule drop (verdict drop)
trace id 99999999 inet rampart forward packet: iif "lo" ip saddr 10.1.0.1 ip daddr 10.1.0.2 tcp dport 80 tcp flags == syn
trace id 99999999 inet rampart forward rule tcp dport 80 counter packets 4 bytes 240 jump s_1 (verdict jump s_1)
trace id 99999999 inet rampart s_1 policy accept 
trace id 99999999 ip filter FORWARD rule drop (verdict drop)
`;

test('a trace is told once for packets that go the same way, and names whoever else drops', () => {
  expect(traceLines(TEXT, 'rampart')).toEqual([
    'forward:',
    'forward rule tcp dport 80 counter jump s_1 (verdict jump s_1)',
    's_1 policy accept',
    'dropped by table ip filter: FORWARD rule drop (verdict drop)',
  ]);
  expect(traceLines('nonsense\n\n', 'rampart')).toEqual([]);
});

describe('the table', () => {
  test('marks one connection alone', () => {
    expect(traceTable(TRY, ['10.1.0.1', 'fd01::1'])).toContain(
      'ip saddr { 10.1.0.1 } ip daddr 10.1.0.2 tcp dport 80 limit rate',
    );
    expect(traceTable({ ...TRY, host: 'fd01::2' }, ['10.1.0.1', 'fd01::1'])).toContain(
      'ip6 saddr { fd01::1 } ip6 daddr fd01::2 tcp dport 80',
    );
  });

  test('marks what the sender sends where a Service rewrites the address', () => {
    expect(traceTable({ ...TRY, peers: ['x', 'y'] }, ['10.1.0.1'])).toContain(
      'ip saddr { 10.1.0.1 } meta l4proto tcp limit rate',
    );
  });

  test('is not made where the sender is not known', () => {
    expect(traceTable(TRY, ['fd01::1'])).toBeNull();
  });
});

test('the table goes away also where the attempt fails', async () => {
  const commands: string[] = [];
  const exec = async (node: string, command: readonly string[]) => {
    commands.push(`${node} ${command.join(' ')}`);
    return { code: 0, stdout: Buffer.from(TEXT), stderr: '' };
  };
  const planned = {
    answer: { question: {}, verdict: 'denied', undefinedBecause: null, caveats: [], egress: null, ingress: null },
    tries: [TRY],
    unverifiable: null,
  } as const;
  const options = { exec, sources: ['10.1.0.1'], timeoutMs: 100 };
  await expect(traceFlow(planned, () => Promise.reject(new Error('gone')), options)).rejects.toThrow('gone');
  expect(commands.at(-1)).toBe('n1 nft delete table inet rampart_trace');
  expect((await traceFlow(planned, async () => undefined, options))[0]).toBe('n1: forward:');
});
