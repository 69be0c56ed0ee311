/**
 * The part of an API server that an agent needs, with as little work for each request as can be: lists in pages, watches.
 * Objects are kept as text, so that the agent's share of the machine is what is measured.
 */
import { createServer, type ServerResponse } from 'node:http';
import type { JsonObject } from '../../src/manifest/object.ts';

export type ServedResource = 'pods' | 'namespaces' | 'nodes' | 'networkpolicies';

export interface ObjectServer {
  readonly url: string;
  put(resource: ServedResource, object: JsonObject): void;
  remove(resource: ServedResource, object: JsonObject): void;
  close(): Promise<void>;
}

const PLACES: Readonly<
  Record<ServedResource, { readonly path: string; readonly apiVersion: string; readonly kind: string }>
> = {
  pods: { path: '/api/v1/pods', apiVersion: 'v1', kind: 'Pod' },
  namespaces: { path: '/api/v1/namespaces', apiVersion: 'v1', kind: 'Namespace' },
  nodes: { path: '/api/v1/nodes', apiVersion: 'v1', kind: 'Node' },
  networkpolicies: {
    path: '/apis/networking.k8s.io/v1/networkpolicies',
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
  },
};
const RESOURCES = Object.keys(PLACES) as readonly ServedResource[];

interface Served {
  /** By `namespace/name`. */
  readonly objects: Map<string, string>;
  /** Lists under way, by the token that asks for more of them. */
  readonly lists: Map<string, readonly string[]>;
  readonly watches: Set<ServerResponse>;
  /** What was told so far, for watches that begin later than their list. */
  readonly told: { readonly revision: number; readonly line: string }[];
}

/** Serves objects on a unix socket. */
export function serveObjects(path: string, objects: readonly JsonObject[]): Promise<ObjectServer> {
  let revision = 1;
  const served = new Map<ServedResource, Served>(
    RESOURCES.map((resource) => [resource, { objects: new Map(), lists: new Map(), watches: new Set(), told: [] }]),
  );
  const of = (resource: ServedResource): Served => {
    const found = served.get(resource);
    if (found === undefined) throw new Error(`${resource} are not served`);
    return found;
  };
  const versioned = (object: JsonObject): JsonObject => ({
    ...object,
    metadata: { uid: keyOf(object), ...(object.metadata as JsonObject), resourceVersion: String(++revision) },
  });
  for (const object of objects) {
    const resource = RESOURCES.find((one) => PLACES[one].kind === object.kind);
    if (resource !== undefined) of(resource).objects.set(keyOf(object), JSON.stringify(versioned(object)));
  }
  const tell = (resource: ServedResource, type: string, text: string): void => {
    const { told, watches } = of(resource);
    const line = `{"type":"${type}","object":${text}}\n`;
    told.push({ revision, line });
    for (const watch of watches) watch.write(line);
  };

  const list = (resource: ServedResource, query: URLSearchParams): string => {
    const { objects: all, lists } = of(resource);
    const [token = '', from = '0'] = (query.get('continue') ?? '').split('.');
    const texts = lists.get(token) ?? [...all.values()];
    const next = Number(from) + Number(query.get('limit') ?? texts.length);
    const name = token === '' ? String(revision) : token;
    if (next < texts.length) lists.set(name, texts);
    else lists.delete(name);
    const more = next < texts.length ? `,"continue":"${name}.${next}"` : '';
    const { apiVersion, kind } = PLACES[resource];
    const items = texts.slice(Number(from), next).join();
    return `{"kind":"${kind}List","apiVersion":"${apiVersion}","metadata":{"resourceVersion":"${name}"${more}},"items":[${items}]}`;
  };

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://server');
    const resource = RESOURCES.find((one) => PLACES[one].path === url.pathname);
    const answer = (status: number, text: string): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(text);
    };
    if (resource === undefined || request.method !== 'GET') {
      answer(404, '{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}');
    } else if (url.searchParams.get('watch') !== '1') answer(200, list(resource, url.searchParams));
    else {
      const { told, watches } = of(resource);
      const since = Number(url.searchParams.get('resourceVersion'));
      response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
      for (const one of told) if (one.revision > since) response.write(one.line);
      watches.add(response);
      response.on('close', () => watches.delete(response));
    }
  });
  server.requestTimeout = 0;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () =>
      resolve({
        url: `unix://${path}`,
        put: (resource, object) => {
          const { objects: all } = of(resource);
          const text = JSON.stringify(versioned(object));
          const isNew = !all.has(keyOf(object));
          all.set(keyOf(object), text);
          tell(resource, isNew ? 'ADDED' : 'MODIFIED', text);
        },
        remove: (resource, object) => {
          if (of(resource).objects.delete(keyOf(object))) tell(resource, 'DELETED', JSON.stringify(versioned(object)));
        },
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            server.closeAllConnections();
          }),
      }),
    );
  });
}

function keyOf(object: JsonObject): string {
  const { namespace, name } = object.metadata as { readonly namespace?: string; readonly name: string };
  return `${namespace ?? ''}/${name}`;
}
