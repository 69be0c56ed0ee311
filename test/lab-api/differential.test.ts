import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { apiServer } from '../../src/lab/api-server/api.ts';
import { type ListeningApi, listenApi } from '../../src/lab/api-server/server.ts';
import { type Kube, missingKube, sharedDir, startKube } from '../apiserver/kube.ts';
import { CASES, WATCHED } from './differential.cases.ts';

// Every request goes to a real kube-apiserver and to ours; what both answer has to be the same as far as clients see it.

interface Server {
  readonly url: string;
  readonly tls: { readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer } | null;
}

interface Reply {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

function open(
  server: Server,
  method: string,
  path: string,
  contentType: string,
  body: string | undefined,
  headers: object = {},
) {
  const options = {
    method,
    agent: false as const,
    headers: {
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': contentType, 'content-length': Buffer.byteLength(body) }),
      ...headers,
    },
  };
  const url = new URL(path, server.url);
  return server.tls === null ? requestHttp(url, options) : requestHttps(url, { ...options, ...server.tls });
}

function send(
  server: Server,
  method: string,
  path: string,
  body?: unknown,
  contentType = 'application/json',
): Promise<Reply> {
  return new Promise((done, fail) => {
    const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
    const outgoing = open(server, method, path, contentType, text);
    outgoing.on('error', fail);
    outgoing.on('response', (incoming) => {
      let content = '';
      incoming.setEncoding('utf8');
      incoming.on('data', (chunk: string) => {
        content += chunk;
      });
      incoming.on('error', fail);
      incoming.on('end', () => {
        const isJson = incoming.headers['content-type']?.startsWith('application/json') === true;
        done({ status: incoming.statusCode ?? 0, body: isJson ? JSON.parse(content) : { text: content } });
      });
    });
    outgoing.end(text);
  });
}

interface Watch {
  readonly events: string[];
  close(): void;
}

/** Follows a resource; events as `TYPE name`, without bookmarks. */
function follow(server: Server, path: string): Promise<Watch> {
  return new Promise((done, fail) => {
    const events: string[] = [];
    const outgoing = open(server, 'GET', path, '', undefined);
    outgoing.on('error', fail);
    outgoing.on('response', (incoming) => {
      let rest = '';
      incoming.setEncoding('utf8');
      incoming.on('error', () => {});
      incoming.on('data', (chunk: string) => {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          const { type, object } = JSON.parse(line);
          if (type !== 'BOOKMARK') events.push(`${type} ${object.metadata?.name ?? object.reason}`);
        }
      });
      done({ events, close: () => outgoing.destroy() });
    });
    outgoing.end();
  });
}

const missing = missingKube();
if (missing !== null) console.log(`skipped: the embedded API server beside a real one: ${missing}`);

describe.skipIf(missing !== null)('the embedded API server beside kube-apiserver', () => {
  let kube: Kube;
  let embedded: ListeningApi;
  let real: Server;
  let ours: Server;

  beforeAll(async () => {
    kube = await startKube({ name: 'h2', port: 17200 });
    const config = JSON.parse(readFileSync(kube.kubeconfig, 'utf8'));
    const bytes = (data: string): Buffer => Buffer.from(data, 'base64');
    const [{ user }] = config.users;
    real = {
      url: kube.server,
      tls: {
        ca: bytes(config.clusters[0].cluster['certificate-authority-data']),
        cert: bytes(user['client-certificate-data']),
        key: bytes(user['client-key-data']),
      },
    };
    for (const file of ['policy.networking.k8s.io_clusternetworkpolicies.yaml']) {
      const path = join(sharedDir, 'crds/network-policy-api/v1alpha2-standard', file);
      for (const document of parseAllDocuments(readFileSync(path, 'utf8'))) await kube.define(document.toJS());
    }
    embedded = await listenApi(apiServer({ now: Date.now, uid: randomUUID }), { host: '127.0.0.1', port: 0 });
    ours = { url: embedded.url, tls: null };
  }, 120_000);

  afterAll(async () => {
    await embedded?.close();
    await kube?.down();
  }, 60_000);

  it('gives the same codes, reasons, kinds and events', async () => {
    const watches = await Promise.all(
      [real, ours].map((server) => Promise.all(WATCHED.map((path) => follow(server, `${path}?watch=1`)))),
    );
    const wrong: string[] = [];
    const versions: [string, string][] = [];
    for (const one of CASES) {
      const replies: Reply[] = [];
      for (const [i, server] of [real, ours].entries()) {
        // A body may hold the version and identity of an earlier answer: `$VERSION`, `$UID`.
        const [version = '', uid = ''] = versions[i] ?? [];
        const text =
          one.body === undefined ? undefined : typeof one.body === 'string' ? one.body : JSON.stringify(one.body);
        const body = text?.replaceAll('$VERSION', version).replaceAll('$UID', uid);
        const path = one.path.replaceAll('$VERSION', version);
        const reply = await send(server, one.method, path, body, one.contentType);
        replies.push(reply);
        if (one.keep === true) {
          const metadata = reply.body.metadata as { resourceVersion: string; uid: string };
          versions[i] = [metadata.resourceVersion, metadata.uid];
        }
      }
      const [a, b] = replies.map((reply) => visible(reply, one.shows ?? []));
      if (JSON.stringify(a) !== JSON.stringify(b)) {
        wrong.push(
          `${one.method} ${one.path}: real ${JSON.stringify(a)}, ours ${JSON.stringify(b)}; ${JSON.stringify(replies.map((reply) => reply.body.message))}`,
        );
      }
    }
    expect(wrong).toEqual([]);
    await sleep(1000);
    for (const [i, path] of WATCHED.entries()) {
      const [a, b] = watches.map((all) => {
        const watch = all[i];
        watch?.close();
        return watch?.events ?? [];
      });
      expect(ownEvents(b ?? []), path).toEqual(ownEvents(a ?? []));
      expect(ownEvents(a ?? []).length, path).toBeGreaterThan(0);
    }
  }, 120_000);

  it('says that a version is too old, and that a token is none, as the real one does', async () => {
    for (const path of ['/api/v1/configmaps?limit=1&continue=nonsense', '/api/v1/configmaps?resourceVersion=x']) {
      const [a, b] = await Promise.all([real, ours].map((server) => send(server, 'GET', path)));
      expect([path, b?.status, b?.body.reason]).toEqual([path, a?.status, a?.body.reason]);
    }
  });
});

/** What clients decide by: the code, the reason, the kind, and the fields that a case names. */
function visible({ status, body }: Reply, shows: readonly string[]): unknown {
  // For some unknown paths the real server has a line of text; ours has a status as for the others.
  if (status === 404 && (body.kind === undefined || body.message === NO_SUCH_PATH)) return { status };
  const details = (body.details ?? {}) as Details;
  // On update the real server says some things twice.
  const causes = new Set(details.causes?.map(({ field, reason }) => `${field}: ${reason}`));
  return sorted({
    status,
    kind: body.kind,
    reason: body.reason,
    causes: status === 422 ? [...causes].sort() : [],
    about: status > 400 ? [details.group, details.kind, details.name] : [],
    fields: shows.map((path) =>
      path.split('.').reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], body),
    ),
  });
}

const NO_SUCH_PATH = 'the server could not find the requested resource';

interface Details {
  readonly causes?: readonly { readonly field: string; readonly reason: string }[];
  readonly kind?: string;
  readonly name?: string;
  readonly group?: string;
}

/** With the keys of all objects in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, item]) => [key, sorted(item)] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Without what controllers of the real control plane do by themselves. */
function ownEvents(events: readonly string[]): readonly string[] {
  return events.filter((event) => / (d-|n-|p-)/.test(event));
}
