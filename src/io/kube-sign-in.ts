import { readFile } from 'node:fs/promises';
import type { RequestOptions } from 'node:https';
import { isAbsolute, join } from 'node:path';

/** An entry of a kubeconfig, and the folder that its relative paths begin at. */
export interface Entry {
  readonly folder: string;
  readonly value: Readonly<Record<string, unknown>>;
}

export interface SignInSources {
  readonly server: string;
  readonly cluster: Entry;
  /** `null`: nobody in particular. */
  readonly user: Entry | null;
  /** `''`: none. */
  readonly proxy: string;
}

/** Adds what a request needs to be accepted. */
export type SignIn = (request: RequestOptions) => Promise<void>;

/**
 * How requests are signed in. Files are read for every request, since they are replaced while we run. Commands, cloud
 * accounts and proxies are left to the client library.
 */
export async function signingIn(from: SignInSources): Promise<SignIn> {
  const user = from.user?.value ?? {};
  if (from.proxy !== '' || isRecord(user.exec) || isRecord(user['auth-provider'])) return viaLibrary(from);
  return async (request) => {
    const { cluster } = from;
    Object.assign(request, await tlsOf(cluster, from.user));
    const headers: Record<string, string> = {};
    const token = await tokenOf(from.user);
    if (token !== '') headers.Authorization = `Bearer ${token}`;
    else if (textOf(user.username) !== '') {
      const pair = `${textOf(user.username)}:${textOf(user.password)}`;
      headers.Authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
    }
    if (textOf(user.as) !== '') headers['Impersonate-User'] = textOf(user.as);
    request.headers = { ...request.headers, ...headers } as NonNullable<RequestOptions['headers']>;
  };
}

async function tlsOf(cluster: Entry, user: Entry | null): Promise<RequestOptions> {
  const [ca, cert, key] = await Promise.all([
    contentOf(cluster, 'certificate-authority'),
    user === null ? null : contentOf(user, 'client-certificate'),
    user === null ? null : contentOf(user, 'client-key'),
  ]);
  const servername = textOf(cluster.value['tls-server-name']);
  return {
    ...(ca === null ? {} : { ca }),
    ...(cert === null ? {} : { cert }),
    ...(key === null ? {} : { key }),
    ...(servername === '' ? {} : { servername }),
    ...(cluster.value['insecure-skip-tls-verify'] === true ? { rejectUnauthorized: false } : {}),
  };
}

/** `NAME-data` in base64, else the file that `NAME` tells. */
async function contentOf(entry: Entry, name: string): Promise<Buffer | null> {
  const data = textOf(entry.value[`${name}-data`]);
  if (data !== '') return Buffer.from(data, 'base64');
  const file = textOf(entry.value[name]);
  return file === '' ? null : readFile(pathIn(entry, file));
}

/** A token's file counts for more than a token: it is kept fresh. */
async function tokenOf(user: Entry | null): Promise<string> {
  if (user === null) return '';
  const file = textOf(user.value.tokenFile);
  return file === '' ? textOf(user.value.token) : (await readFile(pathIn(user, file), 'utf8')).trim();
}

/** Loaded when needed: the library takes half a second, and 90 MB. */
async function viaLibrary({ server, cluster, user, proxy }: SignInSources): Promise<SignIn> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const client = new KubeConfig();
  const value = absolute(user, ['client-certificate', 'client-key', 'tokenFile']);
  client.loadFromString(
    JSON.stringify({
      clusters: [
        {
          name: 'cluster',
          cluster: {
            ...absolute(cluster, ['certificate-authority']),
            server,
            ...(proxy === '' ? {} : { 'proxy-url': proxy }),
            // The library refuses plain HTTP otherwise; kubectl and `kubectl proxy` do not.
            ...(server.startsWith('http:') ? { 'insecure-skip-tls-verify': true } : {}),
          },
        },
      ],
      // The library leaves out the certificate authority where there is no user.
      users: [{ name: 'user', user: value }],
      contexts: [{ name: 'context', context: { cluster: 'cluster', user: 'user' } }],
      'current-context': 'context',
    }),
  );
  const found = client.getCurrentUser();
  if (found !== null) complete(found, user, value);
  return (request) => client.applyToHTTPSOptions(request);
}

interface LibraryUser {
  authProvider?: unknown;
  token?: string | undefined;
  exec?: { command?: string; apiVersion?: string; env?: unknown[] };
}

/** Fills in what kubectl reads and the library does not: `tokenFile`, and what exec plugins are told. */
function complete(target: LibraryUser, user: Entry | null, value: Entry['value']): void {
  const tokenFile = textOf(value.tokenFile);
  if (tokenFile !== '') {
    delete target.token;
    target.authProvider = { name: 'tokenFile', config: { tokenFile } };
  }
  if (user === null || !isRecord(target.exec)) return;
  const exec = target.exec as NonNullable<LibraryUser['exec']>;
  // A name alone is looked up in PATH.
  if (typeof exec.command === 'string' && exec.command.includes('/')) exec.command = pathIn(user, exec.command);
  const info = {
    kind: 'ExecCredential',
    apiVersion: exec.apiVersion ?? 'client.authentication.k8s.io/v1',
    spec: { interactive: process.stdin.isTTY === true },
  };
  exec.env = [
    { name: 'KUBERNETES_EXEC_INFO', value: JSON.stringify(info) },
    ...(Array.isArray(exec.env) ? exec.env : []),
  ];
}

function absolute(entry: Entry | null, names: readonly string[]): Entry['value'] {
  if (entry === null) return {};
  const out: Record<string, unknown> = { ...entry.value };
  for (const name of names) {
    const path = textOf(out[name]);
    if (path !== '') out[name] = pathIn(entry, path);
  }
  return out;
}

function pathIn(entry: Entry, path: string): string {
  return isAbsolute(path) ? path : join(entry.folder, path);
}

/** The text; `''` for anything else. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
