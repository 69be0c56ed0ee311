import type { WatchedResource } from '../io/watch-event.ts';
import { type AgentState, type Standing, WATCHED } from './state.ts';

/** Without these there is nothing to enforce policies on. */
const NEEDED: readonly WatchedResource[] = ['pods', 'namespaces', 'nodes'];

/**
 * What keeps the agent from touching the kernel: resources that were not listed yet. Policies that cannot be read close
 * their tier; without pods, namespaces or nodes nothing is done at all, and whatever table there is stays.
 */
export function waitingFor(state: AgentState): readonly string[] {
  return WATCHED.flatMap((resource) => obstacle(resource, state.standing(resource)) ?? []);
}

function obstacle(resource: WatchedResource, standing: Standing): string | null {
  switch (standing.kind) {
    case 'waiting':
      return resource;
    case 'listed':
      return null;
    case 'absent':
      return NEEDED.includes(resource) ? `${resource} (the server has none)` : null;
    case 'unreadable':
      return NEEDED.includes(resource) && !standing.known ? `${resource} (${standing.reason})` : null;
  }
}
