import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { RequestOptions } from 'node:https';
import { isIPv6 } from 'node:net';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import type { KubeConfig as ClientConfig } from '@kubernetes/client-node';
import { load } from 'js-yaml';
import { covers, parseCidr, parseIp } from '../base/ip.ts';
import { suggest } from '../base/suggest.ts';
import { pathError } from './files.ts';
import { IoError, reasonOf } from './io-error.ts';

/** Which cluster the user means. */
export interface ClusterChoice {
  /** `--kubeconfig`; without it `$KUBECONFIG`, `~/.kube/config`, or the service account of the pod that we run in. */
  readonly kubeconfig?: string;
  /** `--context`; without it the kubeconfig's current one. */
  readonly context?: string;
  /** A server that asks for no credentials, instead of a kubeconfig: `http://HOST:PORT` or `unix:///PATH/OF/SOCKET`. */
  readonly server?: string;
  /** Folder with `token` and `ca.crt` of a service account; by default where kubelets put it. */
  readonly serviceAccount?: string;
}

/** A way to a cluster: where it is and how to sign in. */
export interface Connection {
  /** Adds what a request needs to be accepted: certificates, headers, and the agent where there is a proxy. */
  readonly signIn: (request: RequestOptions) => Promise<void>;
  readonly context: string;
  /** `https://…`, `http://…`, or `unix:///PATH` for a socket on this machine. */
  readonly server: string;
  readonly user: string;
  /** Impersonation that the client library does not know of. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly proxied: boolean;
  /** The same connection with files read and commands run again; `null` if it rests on none. */
  readonly renew: (() => Promise<Connection>) | null;
}

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Finds the cluster that the user means. Throws {@link IoError} `kubeconfig` or `unknown-context` with the way out. */
export async function connect(choice: ClusterChoice, env: NodeJS.ProcessEnv = process.env): Promise<Connection> {
  if (choice.server !== undefined) return direct(choice.server);
  const files = kubeconfigFiles(choice, env);
  if (files.length === 0) {
    const folder = choice.serviceAccount ?? SERVICE_ACCOUNT;
    const host = env.KUBERNETES_SERVICE_HOST;
    if (choice.context !== undefined || host === undefined || host === '' || !existsSync(join(folder, 'token')))
      throw noKubeconfig();
    return inCluster(folder, host, env);
  }
  // Loaded when needed: the library takes half a second, and 90 MB.
  const { KubeConfig } = await import('@kubernetes/client-node');
  const client = new KubeConfig();
  const raw: RawUser[] = [];
  client.clusters = [];
  client.users = [];
  client.contexts = [];
  for (const file of files) merge(client, raw, new KubeConfig(), file);
  const names = (client.contexts ?? []).map((c) => c.name);
  const context = choice.context ?? client.currentContext;
  if (context === undefined || context === '') {
    throw new IoError('unknown-context', 'the kubeconfig names no current context', {
      help: names.length > 0 ? `choose one with --context: ${list(names)}` : 'it has no contexts at all',
    });
  }
  if (!names.includes(context)) {
    const near = suggest(context, names);
    throw new IoError('unknown-context', `no context \`${context}\` in ${files.map((f) => `\`${f}\``).join(', ')}`, {
      help: near.length > 0 ? `did you mean ${list(near)}?` : `it has ${names.length === 0 ? 'none' : list(names)}`,
    });
  }
  client.setCurrentContext(context);
  const cluster = client.getCurrentCluster();
  if (cluster === null || typeof cluster.server !== 'string' || !/^(https?|unix):\/\/./.test(cluster.server)) {
    throw new IoError('kubeconfig', `context \`${context}\` names no cluster with a server address`);
  }
  let user = client.getCurrentUser();
  if (user === null) {
    const wanted = client.getContextObject(context)?.user;
    if (wanted !== undefined && wanted !== '') {
      throw new IoError(
        'kubeconfig',
        `context \`${context}\` names the user \`${wanted}\`, which the kubeconfig does not have`,
      );
    }
    // The library leaves out the certificate authority where there is no user.
    user = { name: `${context} (anonymous)` };
    client.users = [...client.users, user];
    const found = client.contexts.find((c) => c.name === context);
    client.contexts = [
      ...client.contexts.filter((c) => c !== found),
      { name: context, cluster: cluster.name, user: user.name },
    ];
  }
  const own = raw.find((u) => u.name === user?.name);
  if (own !== undefined) complete(user, own);
  const url = new URL(cluster.server);
  if (cluster.proxyUrl === undefined || cluster.proxyUrl === '') {
    const proxy = proxyFor(url, env);
    if (proxy !== null) (cluster as { proxyUrl?: string }).proxyUrl = proxy;
  }
  // The library refuses plain HTTP otherwise; kubectl and `kubectl proxy` do not.
  if (url.protocol === 'http:') (cluster as { skipTLSVerify: boolean }).skipTLSVerify = true;
  const socket = socketOf(cluster.server) !== null;
  return {
    signIn: socket ? async () => undefined : (request) => client.applyToHTTPSOptions(request),
    context,
    server: cluster.server,
    user: user.name,
    headers: own === undefined ? {} : impersonation(own),
    proxied: !socket && cluster.proxyUrl !== undefined && cluster.proxyUrl !== '',
    renew: () => connect(choice, env),
  };
}

/** The path of the socket that a server's address names; `null` if it names none. */
export function socketOf(server: string): string | null {
  return server.startsWith('unix://') ? decodeURIComponent(new URL(server).pathname) : null;
}

function direct(server: string): Connection {
  const url = URL.canParse(server) ? new URL(server) : null;
  const fits = url?.protocol === 'http:' || (url?.protocol === 'unix:' && url.host === '' && url.pathname.length > 1);
  if (!fits) {
    throw new IoError('kubeconfig', `\`${server}\` is no address of a server without credentials`, {
      help: 'it is `http://HOST:PORT` or `unix:///PATH/OF/SOCKET`; for https pass a kubeconfig',
    });
  }
  return {
    signIn: async () => undefined,
    context: server,
    server,
    user: 'anonymous',
    headers: {},
    proxied: false,
    renew: null,
  };
}

/** The API server of the cluster that we run in. The token is read for every request: kubelets replace it hourly. */
async function inCluster(folder: string, host: string, env: NodeJS.ProcessEnv): Promise<Connection> {
  const port = env.KUBERNETES_SERVICE_PORT ?? '443';
  const server = `https://${isIPv6(host) ? `[${host}]` : host}:${port}`;
  if (!URL.canParse(server)) {
    throw new IoError(
      'kubeconfig',
      `KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT give no address: \`${server}\``,
    );
  }
  const caFile = join(folder, 'ca.crt');
  const tokenFile = join(folder, 'token');
  const proxy = proxyFor(new URL(server), env);
  let proxied: ClientConfig | null = null;
  if (proxy !== null) {
    const { KubeConfig } = await import('@kubernetes/client-node');
    proxied = new KubeConfig();
    const cluster = { name: 'cluster', server, caFile, skipTLSVerify: false, proxyUrl: proxy };
    proxied.loadFromClusterAndUser(cluster, { name: 'service account' });
  }
  return {
    async signIn(request) {
      if (proxied === null) request.ca = await readFile(caFile);
      else await proxied.applyToHTTPSOptions(request);
      const token = (await readFile(tokenFile, 'utf8')).trim();
      request.headers = { ...request.headers, Authorization: `Bearer ${token}` } as typeof request.headers;
    },
    context: 'service account',
    server,
    user: 'service account',
    headers: {},
    proxied: proxied !== null,
    renew: () => inCluster(folder, host, env),
  };
}

/** What of a user entry the library does not keep. */
interface RawUser {
  readonly name: string;
  readonly folder: string;
  readonly user: Readonly<Record<string, unknown>>;
}

function kubeconfigFiles(choice: ClusterChoice, env: NodeJS.ProcessEnv): readonly string[] {
  if (choice.kubeconfig !== undefined) return [choice.kubeconfig];
  if (env.KUBECONFIG !== undefined && env.KUBECONFIG !== '') {
    const named = env.KUBECONFIG.split(delimiter).filter((file) => file !== '');
    const there = named.filter((file) => existsSync(file));
    if (there.length > 0) return there;
    throw new IoError(
      'kubeconfig',
      `KUBECONFIG names ${named.map((f) => `\`${f}\``).join(', ')}, which does not exist`,
      {
        help: 'set it right, or pass --kubeconfig FILE',
      },
    );
  }
  const home = env.HOME ?? env.USERPROFILE;
  const usual = home === undefined ? null : join(home, '.kube', 'config');
  return usual !== null && existsSync(usual) ? [usual] : [];
}

function noKubeconfig(): IoError {
  return new IoError('kubeconfig', 'no cluster to read: there is no kubeconfig', {
    help: 'pass manifests with -f PATH, or a cluster with --kubeconfig FILE or the variable KUBECONFIG',
  });
}

/** Adds one kubeconfig file; of two entries with one name the first counts, as with kubectl. */
function merge(into: ClientConfig, raw: RawUser[], from: ClientConfig, file: string): void {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw pathError(file, error);
  }
  let document: unknown;
  try {
    document = load(text);
  } catch (error) {
    throw new IoError('kubeconfig', `\`${file}\` is no kubeconfig: ${reasonOf(error)}`, { cause: error });
  }
  if (
    !isRecord(document) ||
    !['clusters', 'contexts', 'users', 'current-context'].some((key) => Object.hasOwn(document, key))
  ) {
    throw new IoError('kubeconfig', `\`${file}\` is no kubeconfig: it has neither clusters nor contexts`);
  }
  try {
    from.loadFromString(text, { onInvalidEntry: 'filter' });
    from.makePathsAbsolute(dirname(file));
  } catch (error) {
    throw new IoError('kubeconfig', `\`${file}\` cannot be used: ${reasonOf(error)}`, { cause: error });
  }
  for (const cluster of from.clusters)
    if (!into.clusters.some((c) => c.name === cluster.name)) into.clusters.push(cluster);
  for (const user of from.users) if (!into.users.some((u) => u.name === user.name)) into.users.push(user);
  for (const context of from.contexts)
    if (!into.contexts.some((c) => c.name === context.name)) into.contexts.push(context);
  if (!into.currentContext && from.currentContext) into.currentContext = from.currentContext;
  const users = document.users;
  if (!Array.isArray(users)) return;
  for (const entry of users as unknown[]) {
    if (!isRecord(entry) || typeof entry.name !== 'string' || !isRecord(entry.user)) continue;
    if (!raw.some((u) => u.name === entry.name))
      raw.push({ name: entry.name, folder: dirname(file), user: entry.user });
  }
}

/** Fills in what kubectl reads and the library does not: `tokenFile`, and what exec plugins are told. */
function complete(user: NonNullable<ReturnType<ClientConfig['getCurrentUser']>>, raw: RawUser): void {
  const target = user as {
    authProvider?: unknown;
    token?: string;
    exec?: { command?: string; apiVersion?: string; env?: unknown[] };
  };
  const tokenFile = raw.user.tokenFile;
  if (typeof tokenFile === 'string' && tokenFile !== '') {
    const path = isAbsolute(tokenFile) ? tokenFile : join(raw.folder, tokenFile);
    delete target.token;
    target.authProvider = { name: 'tokenFile', config: { tokenFile: path } };
  }
  if (isRecord(target.exec)) {
    const exec = target.exec;
    if (typeof exec.command === 'string' && exec.command.includes('/') && !isAbsolute(exec.command)) {
      exec.command = join(raw.folder, exec.command);
    }
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
}

function impersonation(raw: RawUser): Readonly<Record<string, string | readonly string[]>> {
  const out: Record<string, string | readonly string[]> = {};
  if (typeof raw.user['as-uid'] === 'string') out['Impersonate-Uid'] = raw.user['as-uid'];
  const groups = raw.user['as-groups'];
  if (Array.isArray(groups)) out['Impersonate-Group'] = groups.map(String);
  const extra = raw.user['as-user-extra'];
  if (isRecord(extra)) {
    for (const [key, values] of Object.entries(extra)) {
      if (Array.isArray(values)) out[`Impersonate-Extra-${encodeURIComponent(key)}`] = values.map(String);
    }
  }
  return out;
}

/** The proxy that the environment names for an address, by the rules of Go's client; never for this machine itself. */
export function proxyFor(url: URL, env: NodeJS.ProcessEnv): string | null {
  const proxy = url.protocol === 'https:' ? (env.HTTPS_PROXY ?? env.https_proxy) : (env.HTTP_PROXY ?? env.http_proxy);
  if (proxy === undefined || proxy === '') return null;
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  const ip = parseIp(host);
  if (host === 'localhost' || host === '::1' || host.startsWith('127.')) return null;
  for (const item of (env.NO_PROXY ?? env.no_proxy ?? '').split(',')) {
    let rule = item.trim().toLowerCase();
    if (rule === '') continue;
    if (rule === '*') return null;
    const cidr = parseCidr(rule);
    if (cidr !== null) {
      if (ip !== null && covers(cidr, ip)) return null;
      continue;
    }
    const portMatch = /^(.+):(\d+)$/.exec(rule);
    if (portMatch !== null && parseIp(rule) === null) {
      if (portMatch[2] !== port) continue;
      rule = (portMatch[1] ?? '').replace(/^\[|\]$/g, '');
    }
    if (host === rule.replace(/^\*?\./, '') && !rule.startsWith('.') && !rule.startsWith('*.')) return null;
    const suffix = rule.startsWith('*.') ? rule.slice(1) : rule.startsWith('.') ? rule : `.${rule}`;
    if (ip === null && host.endsWith(suffix)) return null;
  }
  return /^[a-z0-9]+:\/\//i.test(proxy) ? proxy : `http://${proxy}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function list(names: readonly string[]): string {
  return names.map((name) => `\`${name}\``).join(', ');
}
