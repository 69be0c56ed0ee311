import { describe, expect, it } from 'vitest';
import { type Denial, denialReader } from './denials.ts';

// Written by tcpdump 4.99 on NFLOG group 77: a TCP SYN from ::1 to port 9 of ::1, logged with the prefix `D|i|`, then
// `hi` by UDP from 127.0.0.1 to port 9 of 127.0.0.1 with `D|e|`; both cut after 64 bytes by the rule.
const CAPTURE = Buffer.from(
  `d4c3b2a1 02000400 00000000 00000000 00000400 ef000000
   4dda016b 3abc0d00 74000000 74000000 0a00004d 08000100 86dd0300 09000a00 447c697c 00000000 08000500 00000001
   08000b00 00000000 08000e00 00000000 44000900 60017150 00280640 00000000 00000000 00000000 00000001 00000000
   00000000 00000000 00000001 cba40009 4cf0d405 00000000 a002ffc4 00300000 0204ffc4
   4dda016b 5abc0d00 54000000 54000000 0200004d 08000100 08000300 09000a00 447c657c 00000000 08000500 00000001
   08000b00 00000000 08000e00 00000000 22000900 4500001e 5a8d4000 4011e23f 7f000001 7f000001 cc5a0009 000afe1d
   68690000`.replaceAll(/\s/g, ''),
  'hex',
);

const DENIALS: readonly Denial[] = [
  {
    at: 0x6b01da4d * 1000 + 900,
    direction: 'ingress',
    protocol: 'TCP',
    source: '::1',
    destination: '::1',
    ports: [52_132, 9],
    icmpType: null,
  },
  {
    at: 0x6b01da4d * 1000 + 900,
    direction: 'egress',
    protocol: 'UDP',
    source: '127.0.0.1',
    destination: '127.0.0.1',
    ports: [52_314, 9],
    icmpType: null,
  },
];

function read(chunks: readonly Buffer[]): readonly Denial[] {
  const seen: Denial[] = [];
  const take = denialReader((denial) => seen.push(denial));
  for (const chunk of chunks) take(chunk);
  return seen;
}

describe('denials', () => {
  it('are read from what tcpdump writes', () => {
    expect(read([CAPTURE])).toEqual(DENIALS);
  });

  it('are the same in whatever pieces it comes', () => {
    expect(read(Array.from(CAPTURE, (byte) => Buffer.of(byte)))).toEqual(DENIALS);
    for (let cut = 1; cut < CAPTURE.length; cut += 7) {
      expect(read([CAPTURE.subarray(0, cut), CAPTURE.subarray(cut)])).toEqual(DENIALS);
    }
  });

  it('are none where the log has another prefix, or the file is of another kind', () => {
    const other = Buffer.from(CAPTURE.toString('latin1').replace('D|i|', 'X|i|'), 'latin1');
    expect(read([other])).toEqual([DENIALS[1]]);
    const ethernet = Buffer.from(CAPTURE);
    ethernet.writeUInt32LE(1, 20);
    expect(read([ethernet])).toEqual([]);
  });

  it('survive garbage', () => {
    for (let at = 24; at < CAPTURE.length; at++) {
      const broken = Buffer.from(CAPTURE);
      broken[at] = (broken[at] ?? 0) ^ 0xff;
      expect(() => read([broken])).not.toThrow();
    }
  });
});
