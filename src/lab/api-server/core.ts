import type { JsonObject } from '../../manifest/object.ts';
import type { Registry } from './resources.ts';
import type { ServiceAddresses } from './service-addresses.ts';
import type { Store } from './store.ts';

/** What all verbs share. */
export interface Core {
  readonly store: Store;
  readonly registry: Registry;
  readonly services: ServiceAddresses;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly uid: () => string;
  /** `graceful`: a pod with a node stays, with its deletion time, until its kubelet deletes it with a grace period of 0. */
  readonly podDeletion: 'immediate' | 'graceful';
  /** What each manager applied last, by resource, object and manager. */
  readonly applied: Map<string, JsonObject>;
  /** Told when a resource is served no more. */
  readonly unserved: Set<(key: string) => void>;
}

/** A time as objects carry it. */
export function timestamp(core: Core): string {
  return `${new Date(core.now()).toISOString().slice(0, 19)}Z`;
}
