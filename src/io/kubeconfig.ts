import { existsSync, readFileSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { isIPv6 } from 'node:net';
import { delimiter, dirname, join, resolve } from 'node:path';
import { load } from 'js-yaml';
import { covers, parseCidr, parseIp } from '../base/ip.ts';
import { suggest } from '../base/suggest.ts';
import { pathError } from './files.ts';
import { IoError, reasonOf } from './io-error.ts';
import { type Entry, isRecord, signingIn, textOf } from './kube-sign-in.ts';

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
  const merged: Merged = { clusters: new Map(), users: new Map(), contexts: new Map(), current: '' };
  for (const file of files) merge(merged, file);
  const names = [...merged.contexts.keys()];
  const context = choice.context ?? merged.current;
  if (context === '') {
    throw new IoError('unknown-context', 'the kubeconfig names no current context', {
      help: names.length > 0 ? `choose one with --context: ${list(names)}` : 'it has no contexts at all',
    });
  }
  const chosen = merged.contexts.get(context);
  if (chosen === undefined) {
    const near = suggest(context, names);
    throw new IoError('unknown-context', `no context \`${context}\` in ${files.map((f) => `\`${f}\``).join(', ')}`, {
      help: near.length > 0 ? `did you mean ${list(near)}?` : `it has ${names.length === 0 ? 'none' : list(names)}`,
    });
  }
  const cluster = merged.clusters.get(textOf(chosen.value.cluster));
  const server = textOf(cluster?.value.server).replace(/\/$/, '');
  if (cluster === undefined || !/^(https?|unix):\/\/./.test(server) || !URL.canParse(server)) {
    throw new IoError('kubeconfig', `context \`${context}\` names no cluster with a server address`);
  }
  const name = textOf(chosen.value.user);
  const user = merged.users.get(name);
  if (user === undefined && name !== '') {
    throw new IoError(
      'kubeconfig',
      `context \`${context}\` names the user \`${name}\`, which the kubeconfig does not have`,
    );
  }
  const socket = socketOf(server) !== null;
  const proxy = socket ? '' : textOf(cluster.value['proxy-url']) || (proxyFor(new URL(server), env) ?? '');
  return {
    signIn: socket ? async () => undefined : await signingIn({ server, cluster, user: user ?? null, proxy }),
    context,
    server,
    user: user === undefined ? `${context} (anonymous)` : name,
    headers: user === undefined ? {} : impersonation(user.value),
    proxied: proxy !== '',
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
  const proxy = proxyFor(new URL(server), env) ?? '';
  const value = { 'certificate-authority': 'ca.crt', tokenFile: 'token' };
  const entry = { folder, value };
  return {
    signIn: await signingIn({ server, cluster: entry, user: entry, proxy }),
    context: 'service account',
    server,
    user: 'service account',
    headers: {},
    proxied: proxy !== '',
    renew: () => inCluster(folder, host, env),
  };
}

/** The entries of all files by their names, each with the folder that its paths begin at. */
interface Merged {
  readonly clusters: Map<string, Entry>;
  readonly users: Map<string, Entry>;
  readonly contexts: Map<string, Entry>;
  current: string;
}

/** Whether anything says that there is a cluster at all. */
export function isClusterNamed(choice: ClusterChoice, env: NodeJS.ProcessEnv): boolean {
  const named = [choice.server, choice.context, choice.kubeconfig, env.KUBECONFIG, env.KUBERNETES_SERVICE_HOST];
  return named.some((each) => (each ?? '') !== '') || kubeconfigFiles(choice, env).length > 0;
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
function merge(into: Merged, file: string): void {
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
  const folder = dirname(resolve(file));
  for (const [plural, singular] of [
    ['clusters', 'cluster'],
    ['users', 'user'],
    ['contexts', 'context'],
  ] as const) {
    const entries = document[plural];
    if (!Array.isArray(entries)) continue;
    for (const entry of entries as unknown[]) {
      if (!isRecord(entry) || typeof entry.name !== 'string' || !isRecord(entry[singular])) continue;
      if (!into[plural].has(entry.name)) into[plural].set(entry.name, { folder, value: entry[singular] });
    }
  }
  if (into.current === '') into.current = textOf(document['current-context']);
}

function impersonation(user: Entry['value']): Readonly<Record<string, string | readonly string[]>> {
  const out: Record<string, string | readonly string[]> = {};
  if (typeof user['as-uid'] === 'string') out['Impersonate-Uid'] = user['as-uid'];
  const groups = user['as-groups'];
  if (Array.isArray(groups)) out['Impersonate-Group'] = groups.map(String);
  const extra = user['as-user-extra'];
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

function list(names: readonly string[]): string {
  return names.map((name) => `\`${name}\``).join(', ');
}
