import type { JsonObject } from '../../manifest/object.ts';
import { newestFirst, type Registry, type ServedResource } from './resources.ts';
import { noSuchPath } from './status.ts';

/** What kubectl takes for the version of the server. */
const VERSION: JsonObject = {
  major: '1',
  minor: '34',
  gitVersion: 'v1.34.0+rampart-lab',
  gitCommit: '',
  gitTreeState: '',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: '',
  compiler: '',
  platform: 'linux/amd64',
};

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

/** Answers the paths that say what is served; `null` for any other path. */
export function discovery(registry: Registry, path: readonly string[]): JsonObject | null {
  const [root, ...rest] = path;
  switch (root) {
    case 'version':
      return rest.length === 0 ? VERSION : null;
    case 'api':
      if (rest.length === 0) return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] };
      return rest.length === 1 ? resourceList(registry, '', rest[0] ?? '') : null;
    case 'apis':
      if (rest.length === 0) return groupList(registry);
      if (rest.length === 1) return groupOf(registry, rest[0] ?? '');
      return rest.length === 2 ? resourceList(registry, rest[0] ?? '', rest[1] ?? '') : null;
    case 'openapi':
      return rest[0] === 'v3' ? openApi(registry, rest.slice(1).join('/')) : null;
    default:
      return null;
  }
}

function versionsOf(registry: Registry): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const { group, versions } of registry.all()) {
    const known = groups.get(group) ?? [];
    groups.set(group, [...new Set([...known, ...versions])].sort(newestFirst));
  }
  return groups;
}

function groupList(registry: Registry): JsonObject {
  const groups = [...versionsOf(registry)]
    .filter(([group]) => group !== '')
    .map(([group, versions]) => apiGroup(group, versions));
  return { kind: 'APIGroupList', apiVersion: 'v1', groups };
}

function apiGroup(group: string, versions: readonly string[]): JsonObject {
  const all = versions.map((version) => ({ groupVersion: `${group}/${version}`, version }));
  return { name: group, versions: all, preferredVersion: all[0] ?? null };
}

function groupOf(registry: Registry, group: string): JsonObject {
  const versions = group === '' ? undefined : versionsOf(registry).get(group);
  if (versions === undefined) throw noSuchPath();
  return { kind: 'APIGroup', apiVersion: 'v1', ...apiGroup(group, versions) };
}

function resourceList(registry: Registry, group: string, version: string): JsonObject {
  const served = registry.all().filter((one) => one.group === group && one.versions.includes(version));
  if (served.length === 0) throw noSuchPath();
  const groupVersion = group === '' ? version : `${group}/${version}`;
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: served.flatMap(entriesOf) };
}

function entriesOf(resource: ServedResource): JsonObject[] {
  const { plural, singular, kind, namespaced, shortNames, categories } = resource;
  const entries: JsonObject[] = [
    { name: plural, singularName: singular, namespaced, kind, verbs: VERBS, shortNames, categories },
  ];
  const below = (name: string, more: JsonObject): void => {
    entries.push({
      name: `${plural}/${name}`,
      singularName: '',
      namespaced,
      kind,
      verbs: ['get', 'patch', 'update'],
      ...more,
    });
  };
  if (resource.hasStatus) below('status', {});
  if (resource.hasScale) below('scale', { group: 'autoscaling', version: 'v1', kind: 'Scale' });
  if (plural === 'pods' && resource.group === '') {
    below('binding', { kind: 'Binding', verbs: ['create'] });
    below('eviction', { group: 'policy', version: 'v1', kind: 'Eviction', verbs: ['create'] });
  }
  return entries;
}

/** As much of OpenAPI as kubectl asks for before it leaves the checking of fields to the server. */
function openApi(registry: Registry, path: string): JsonObject {
  const documents = [...versionsOf(registry)].flatMap(([group, versions]) =>
    versions.map((version) => ({ group, version, path: group === '' ? `api/${version}` : `apis/${group}/${version}` })),
  );
  if (path === '') {
    const paths = documents.map((one): [string, JsonObject] => [
      one.path,
      { serverRelativeURL: `/openapi/v3/${one.path}` },
    ]);
    return { paths: Object.fromEntries(paths) };
  }
  const document = documents.find((one) => one.path === path);
  if (document === undefined) throw noSuchPath();
  const { group, version } = document;
  const served = registry.all().filter((one) => one.group === group && one.versions.includes(version));
  const paths = served.map(({ plural, kind, namespaced }): [string, JsonObject] => {
    const gvk = { group, version, kind };
    const parameters = [{ name: 'fieldValidation', in: 'query', schema: { type: 'string', uniqueItems: true } }];
    const operation = {
      'x-kubernetes-group-version-kind': gvk,
      'x-kubernetes-action': 'patch',
      parameters,
      responses: {},
    };
    const place = namespaced ? `namespaces/{namespace}/${plural}` : plural;
    return [`/${path}/${place}/{name}`, { patch: operation }];
  });
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: 'v1.34.0' },
    paths: Object.fromEntries(paths),
    components: { schemas: {} },
  };
}
