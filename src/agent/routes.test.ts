import { describe, expect, it } from 'vitest';
import type { LoopStatus } from './loop.ts';
import { answerRequest, type RouteDeps } from './routes.ts';

const FINE: LoopStatus = {
  synced: true,
  lastSuccess: 90_000,
  lastSuccessWall: 1,
  pendingSince: null,
  workingSince: null,
  failure: null,
  failedPolicies: [],
};

async function ask(
  path: string,
  status: Partial<LoopStatus> = {},
  waits: readonly string[] = [],
  method = 'GET',
): Promise<string> {
  const deps: RouteDeps = {
    status: () => ({ ...FINE, ...status }),
    waitingFor: () => waits,
    staleAfterMs: () => 30_000,
    stuckAfterMs: 120_000,
    clock: { now: () => 200_000, wall: () => 0, after: () => () => undefined },
    metrics: { contentType: 'text/plain; version=0.0.4', render: async () => 'x 1\n' },
  };
  const answer = await answerRequest(new Request(`http://node${path}`, { method }), deps);
  return `${answer.status} ${(await answer.text()).trim()}`;
}

describe('health', () => {
  it('is fine when everything is in the kernel', async () => {
    expect([await ask('/livez'), await ask('/readyz'), await ask('/healthz')]).toEqual(['200 ok', '200 ok', '200 ok']);
  });

  it('is not ready before everything was listed and is in the kernel', async () => {
    expect(await ask('/readyz', { synced: false }, ['pods', 'nodes (forbidden)'])).toBe(
      '503 waiting for pods, nodes (forbidden)',
    );
    expect(await ask('/readyz', { synced: false, failure: 'nft was killed' })).toBe(
      '503 the kernel does not have the policies yet\nnft was killed',
    );
    expect(await ask('/livez', { synced: false }, ['pods'])).toBe('200 ok');
  });

  it('is ready while a change waits a short while only', async () => {
    expect(await ask('/readyz', { pendingSince: 175_000, failure: 'x' })).toBe('200 ok');
    expect(await ask('/readyz', { pendingSince: 165_000, failure: 'nft refuses' })).toBe(
      '503 a change has waited for the kernel for 35 s\nnft refuses',
    );
  });

  it('ends when a sync hangs', async () => {
    expect(await ask('/livez', { workingSince: 81_000 })).toBe('200 ok');
    expect(await ask('/livez', { workingSince: 79_000 })).toBe('503 a sync has not ended for 121 s');
    expect(await ask('/readyz', { workingSince: 79_000 })).toMatch(/^503/);
  });
});

it('metrics are served, and nothing else', async () => {
  expect([await ask('/metrics'), await ask('/'), await ask('/livez', {}, [], 'POST')]).toEqual([
    '200 x 1',
    '404 not found',
    '405 only GET',
  ]);
});
