import { describe, expect, it } from 'vitest';
import { type Ip, parseIp } from '../../base/ip.ts';
import { DesiredTable } from './desired.ts';
import { DEFAULT_LAYOUT } from './layout.ts';
import { firstPacket, type PacketDetails } from './packet.ts';
import { type SimulatedVerdict, simulatorOf } from './simulate.ts';

function ip(text: string): Ip {
  const parsed = parseIp(text);
  if (parsed === null) throw new Error(text);
  return parsed;
}

const CLOSED = ip('10.0.0.1');
const OPEN = ip('10.0.0.2');
const PEER = ip('10.0.9.9');

describe.each([
  { mask: 0xffff0000, own: 0x00010000 },
  { mask: 0x0000ff00, own: 0x00000100 },
  { mask: 0xffffffff, own: 0x00000001 },
])('marks of others, beside the mask $mask', ({ mask, own }) => {
  const desired = new DesiredTable({ ...DEFAULT_LAYOUT, generationMask: mask });
  desired.set('in4', '10.0.0.1', 'goto deny_ingress');
  const pass = simulatorOf(desired.content());
  const to = (pod: Ip, details: PacketDetails): SimulatedVerdict => pass(firstPacket(PEER, pod, 6, 80, details));
  // kube-proxy's 0x4000 and 0x8000, the 0x80 of the AWS VPC CNI, all bits.
  const others = [0, 0x80, 0x4000, 0xc080, 0xffffffff].map((bits) => (bits & ~mask) >>> 0);

  it('leaves their bits of the connection, and every bit of the packet', () => {
    for (const bits of others) {
      for (const mark of [0, 0x4000, 0xffffffff]) {
        const { verdict, connectionMark, mark: after } = to(OPEN, { connectionMark: bits, mark });
        expect([verdict, connectionMark, after]).toEqual(['accept', (bits | own) >>> 0, mark]);
      }
    }
  });

  it('knows what it has judged, whatever their bits are', () => {
    for (const bits of others) {
      const known = to(CLOSED, { connectionMark: (bits | own) >>> 0, state: 'established' });
      expect([known.verdict, known.connectionMark]).toEqual(['accept', (bits | own) >>> 0]);
    }
  });

  it('judges again what has any other value in its bits', () => {
    for (const wrong of [0, own * 2, mask]) {
      for (const bits of others) {
        const judged = to(CLOSED, { connectionMark: (bits | wrong) >>> 0, state: 'established' });
        // Not what it was judged to be long ago, should that number come round again.
        expect([judged.verdict, judged.connectionMark]).toEqual(['drop', bits]);
      }
    }
  });
});
