import type { Clock } from './clock.ts';
import type { LoopStatus } from './loop.ts';

/** What requests are answered from. */
export interface RouteDeps {
  readonly status: () => LoopStatus;
  /** What is waited for before the first sync; empty once nothing is. */
  readonly waitingFor: () => readonly string[];
  readonly staleAfterMs: () => number;
  /** A piece of work that takes longer hangs. */
  readonly stuckAfterMs: number;
  readonly clock: Clock;
  readonly metrics: { readonly contentType: string; render(): Promise<string> };
}

const TEXT = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' } as const;

/** Answers `/livez`, `/readyz`, `/healthz` and `/metrics`. */
export async function answerRequest(request: Request, deps: RouteDeps): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return new Response('only GET\n', { status: 405, headers: { ...TEXT, allow: 'GET, HEAD' } });
  }
  switch (pathname) {
    case '/livez':
      return health(lifeProblems(deps));
    case '/readyz':
      return health([...lifeProblems(deps), ...readyProblems(deps)]);
    case '/healthz':
      return health(lifeProblems(deps));
    case '/metrics':
      return new Response(await deps.metrics.render(), { headers: { 'content-type': deps.metrics.contentType } });
    default:
      return new Response('not found\n', { status: 404, headers: TEXT });
  }
}

function health(problems: readonly string[]): Response {
  if (problems.length === 0) return new Response('ok\n', { headers: TEXT });
  return new Response(problems.map((problem) => `${problem}\n`).join(''), { status: 503, headers: TEXT });
}

/** That there is an answer at all says that the event loop turns. */
function lifeProblems({ status, clock, stuckAfterMs }: RouteDeps): readonly string[] {
  const { workingSince } = status();
  if (workingSince === null || clock.now() - workingSince < stuckAfterMs) return [];
  return [`a sync has not ended for ${seconds(clock.now() - workingSince)}`];
}

function readyProblems({ status, clock, staleAfterMs, waitingFor }: RouteDeps): readonly string[] {
  const { synced, pendingSince, failure } = status();
  const waits = waitingFor();
  if (waits.length > 0) return [`waiting for ${waits.join(', ')}`];
  const problems: string[] = [];
  if (!synced) problems.push('the kernel does not have the policies yet');
  const age = pendingSince === null ? 0 : clock.now() - pendingSince;
  if (synced && age > staleAfterMs()) problems.push(`a change has waited for the kernel for ${seconds(age)}`);
  if (problems.length > 0 && failure !== null) problems.push(failure);
  return problems;
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}
