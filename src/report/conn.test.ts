import { describe, expect, test } from 'vitest';
import type { Conn } from '../model/report.ts';
import { changeWord, either, formatConn, isAll, isNone, minus } from './conn.ts';

const FULL = { TCP: [[1, 65535]], UDP: [[1, 65535]], SCTP: [[1, 65535]] } as const;

describe('conn in words', () => {
  test.each<[Conn, string]>([
    ['all', 'all'],
    [FULL, 'all'],
    [{}, 'none'],
    [{ TCP: [] }, 'none'],
    [{ TCP: [[80, 80]] }, 'TCP 80'],
    [
      {
        UDP: [[53, 53]],
        TCP: [
          [443, 443],
          [80, 80],
        ],
      },
      'TCP 80,443 UDP 53',
    ],
    [{ TCP: [[80, 81]] }, 'TCP 80,81'],
    [{ TCP: [[80, 82]] }, 'TCP 80-82'],
    [{ TCP: [[0, 65535]] }, 'TCP all'],
    [
      {
        TCP: [
          [1, 24],
          [26, 65535],
        ],
        UDP: [[1, 65535]],
        SCTP: [[1, 65535]],
      },
      'all but TCP 25',
    ],
    [
      {
        TCP: [[80, 80]],
        named: [
          { protocol: 'TCP', port: 'http' },
          { protocol: null, port: 'dns' },
        ],
      },
      'TCP 80,http named dns',
    ],
    [{ named: [{ protocol: 'UDP', port: 'a\u001bb' }] }, 'UDP a\\u001bb'],
  ])('%j is %s', (conn, text) => expect(formatConn(conn)).toBe(text));

  test('named ports are something', () => {
    expect(isNone({ named: [{ protocol: 'TCP', port: 'http' }] })).toBe(false);
    expect(isAll({ named: [{ protocol: 'TCP', port: 'http' }] })).toBe(false);
  });
});

describe('conn algebra', () => {
  test('minus', () => {
    expect(minus('all', { TCP: [[80, 80]] })).toEqual({
      TCP: [
        [1, 79],
        [81, 65535],
      ],
      UDP: [[1, 65535]],
      SCTP: [[1, 65535]],
    });
    expect(minus({ TCP: [[1, 100]] }, { TCP: [[50, 60]], UDP: [[1, 2]] })).toEqual({
      TCP: [
        [1, 49],
        [61, 100],
      ],
    });
    expect(minus(FULL, 'all')).toEqual({});
    expect(minus({ named: [{ protocol: 'TCP', port: 'a' }] }, { named: [{ protocol: 'UDP', port: 'a' }] })).toEqual({
      named: [{ protocol: 'TCP', port: 'a' }],
    });
    expect(minus({ named: [{ protocol: 'TCP', port: 'a' }] }, 'all')).toEqual({});
  });

  test('either', () => {
    expect(either({ TCP: [[1, 5]] }, { TCP: [[6, 7]], UDP: [[1, 1]] })).toEqual({ TCP: [[1, 7]], UDP: [[1, 1]] });
    expect(either('all', {})).toBe('all');
  });

  test.each<[Conn, Conn, string]>([
    [{}, 'all', 'opened'],
    ['all', {}, 'closed'],
    [{ TCP: [[80, 80]] }, { TCP: [[80, 81]] }, 'widened'],
    ['all', { TCP: [[80, 81]] }, 'narrowed'],
    [{ TCP: [[80, 80]] }, { TCP: [[81, 81]] }, 'changed'],
    [{ TCP: [[80, 80]] }, { TCP: [[80, 80]], named: [{ protocol: 'TCP', port: 'x' }] }, 'widened'],
  ])('from %j to %j is %s', (before, after, word) => expect(changeWord(before, after)).toBe(word));
});
