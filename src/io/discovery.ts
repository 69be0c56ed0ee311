import type { JsonObject } from '../manifest/object.ts';
import { isObject, type KubeClient, messageOf, objectsOf } from './kube-client.ts';

/** What a server says it serves. */
export interface Discovery {
  /**
   * Versions of `group` that serve `resource`, the server's preference first; `null` if that cannot be known, with the
   * reason in `unknown`.
   */
  versionsOf(group: string, resource: string): readonly string[] | null;
  /** Why the contents of a group are not (wholly) known; `null` if they are. */
  unknown(group: string): string | null;
}

interface Group {
  /** By version, in order of preference: resources served, or `null` if that is not known. */
  readonly versions: ReadonlyMap<string, ReadonlySet<string> | null>;
  readonly problem: string | null;
}

const AGGREGATED = ['v2', 'v2beta1']
  .map((v) => `application/json;g=apidiscovery.k8s.io;v=${v};as=APIGroupDiscoveryList`)
  .concat('application/json')
  .join(',');

/** Asks the server for the given API groups, in one request where it can answer so. */
export async function discover(client: KubeClient, groups: readonly string[]): Promise<Discovery> {
  const wanted = new Set(groups);
  const answer = await client.get('/apis', AGGREGATED);
  if (answer.status !== 200 || !isObject(answer.body)) {
    const reason = messageOf(answer);
    return { versionsOf: () => null, unknown: () => reason };
  }
  const found = new Map<string, Group>();
  if (Array.isArray(answer.body.items)) {
    for (const item of objectsOf(answer.body.items)) {
      const name = isObject(item.metadata) ? item.metadata.name : undefined;
      if (typeof name === 'string' && wanted.has(name)) found.set(name, aggregated(item));
    }
  } else {
    const listed = objectsOf(answer.body.groups).filter((g) => typeof g.name === 'string' && wanted.has(g.name));
    await Promise.all(listed.map(async (g) => found.set(String(g.name), await oneByOne(client, g))));
  }
  return {
    versionsOf(group, resource) {
      const known = found.get(group);
      if (known === undefined) return [];
      const versions = [...known.versions].filter(([, resources]) => resources?.has(resource) === true).map(([v]) => v);
      return versions.length === 0 && known.problem !== null ? null : versions;
    },
    unknown: (group) => found.get(group)?.problem ?? null,
  };
}

function aggregated(item: JsonObject): Group {
  const versions = new Map<string, ReadonlySet<string> | null>();
  let problem: string | null = null;
  for (const entry of objectsOf(item.versions)) {
    if (typeof entry.version !== 'string') continue;
    const resources = new Set(objectsOf(entry.resources).map((r) => String(r.resource)));
    // The server could not ask the API server behind this group: what it lists is old, or nothing.
    if (entry.freshness === 'Stale') problem = `the API server behind version ${entry.version} does not answer`;
    versions.set(entry.version, entry.freshness === 'Stale' && resources.size === 0 ? null : resources);
  }
  return { versions, problem };
}

/** For servers before Kubernetes 1.26. */
async function oneByOne(client: KubeClient, group: JsonObject): Promise<Group> {
  const preferred = isObject(group.preferredVersion) ? group.preferredVersion.version : undefined;
  const names = objectsOf(group.versions).flatMap((v) => (typeof v.version === 'string' ? [v.version] : []));
  names.sort((a, b) => Number(b === preferred) - Number(a === preferred));
  const versions = new Map<string, ReadonlySet<string> | null>();
  let problem: string | null = null;
  for (const version of names) {
    const answer = await client.get(`/apis/${String(group.name)}/${version}`);
    if (answer.status === 200 && isObject(answer.body)) {
      versions.set(version, new Set(objectsOf(answer.body.resources).map((r) => String(r.name))));
    } else if (answer.status !== 404) {
      versions.set(version, null);
      problem = messageOf(answer);
    }
  }
  return { versions, problem };
}
