import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Ip, parseIp } from '../base/ip.ts';
import { systemCode } from './io-error.ts';

/** What the network plugin of this node says of a pod before the API server does. */
export interface EarlyAddresses {
  readonly namespace: string;
  readonly name: string;
  /** Files outlive their pods; a later pod of the same name has another uid. */
  readonly uid: string;
  readonly addresses: readonly Ip[];
  /** When it was noted, in milliseconds since 1970. */
  readonly at: number;
}

/** Where libcni keeps the results of its plugins unless its user says otherwise. */
export const CNI_RESULTS: readonly string[] = ['/var/lib/cni/results', '/var/lib/cni/cache/results'];

/** The interface that Kubernetes means by a pod's addresses. */
const POD_INTERFACE = 'eth0';

/** Reads one file of libcni's cache; `null` if it is none, not whole, or not of a pod's own interface. */
export function parseCniResult(text: string, at: number): EarlyAddresses | null {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch {
    return null;
  }
  if (field(file, 'kind') !== 'cniCacheV1' || field(file, 'ifName') !== POD_INTERFACE) return null;
  const args = new Map<string, string>();
  for (const pair of listOf(field(file, 'cniArgs'))) {
    const [key, value] = listOf(pair);
    if (typeof key === 'string' && typeof value === 'string') args.set(key, value);
  }
  const namespace = args.get('K8S_POD_NAMESPACE');
  const name = args.get('K8S_POD_NAME');
  const uid = args.get('K8S_POD_UID');
  if (!namespace || !name || !uid) return null;
  const addresses = addressesOf(field(file, 'result'));
  return addresses.length === 0 ? null : { namespace, name, uid, addresses, at };
}

function addressesOf(result: unknown): readonly Ip[] {
  // Versions before 0.3 of the specification have one address of each family.
  const old = [field(field(result, 'ip4'), 'ip'), field(field(result, 'ip6'), 'ip')];
  const interfaces = listOf(field(result, 'interfaces'));
  const out: Ip[] = [];
  for (const entry of listOf(field(result, 'ips'))) {
    const index = field(entry, 'interface');
    const sandbox = typeof index === 'number' ? field(interfaces[index], 'sandbox') : undefined;
    // Addresses of the host's end are no pod's.
    if (typeof index === 'number' && (sandbox === undefined || sandbox === '')) continue;
    push(out, field(entry, 'address'));
  }
  for (const address of old) push(out, address);
  return out;
}

function push(out: Ip[], address: unknown): void {
  if (typeof address !== 'string') return;
  const ip = parseIp(address.split('/', 1)[0] ?? '');
  if (ip !== null) out.push(ip);
}

function field(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[key];
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export interface CacheOptions {
  readonly folders: readonly string[];
  /** How often the folders are looked through, whatever the system tells of them. */
  readonly scanMs?: number;
  /** What is known of the pod `namespace/name`; `null`: nothing any more. */
  readonly onChange: (key: string, addresses: EarlyAddresses | null) => void;
}

/** Follows libcni's cache until it is closed; folders may appear later. */
export interface CniCache {
  /** Looks through the folders now. */
  scan(): Promise<void>;
  close(): void;
}

const LARGEST_FILE = 1024 * 1024;

/** Begins to follow; {@link CniCache.scan} resolves when all that there is has been told. */
export function followCniCache(options: CacheOptions): CniCache {
  const { folders, onChange, scanMs = 30_000 } = options;
  /** Files by the pod that they tell of, which may have had more than one sandbox. */
  const told = new Map<string, Map<string, EarlyAddresses>>();
  const keys = new Map<string, string>();
  const watchers = new Map<string, FSWatcher>();
  let closed = false;
  let scanning: Promise<void> = Promise.resolve();

  /** What the latest of its files says. */
  function latest(key: string): EarlyAddresses | null {
    let found: EarlyAddresses | null = null;
    for (const each of told.get(key)?.values() ?? []) if (found === null || each.at >= found.at) found = each;
    return found;
  }

  function change(key: string, how: (files: Map<string, EarlyAddresses>) => void): void {
    const before = latest(key);
    const files = told.get(key) ?? new Map<string, EarlyAddresses>();
    told.set(key, files);
    how(files);
    if (files.size === 0) told.delete(key);
    const after = latest(key);
    if (after !== before) onChange(key, after);
  }

  function forget(file: string): void {
    const key = keys.get(file);
    keys.delete(file);
    if (key !== undefined) change(key, (files) => files.delete(file));
  }

  async function look(file: string): Promise<void> {
    let handle: FileHandle | null = null;
    let found: EarlyAddresses | null = null;
    try {
      handle = await open(file);
      const { mtimeMs, size } = await handle.stat();
      if (size <= LARGEST_FILE) found = parseCniResult(await handle.readFile('utf8'), mtimeMs);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') forget(file);
    } finally {
      await handle?.close().catch(() => undefined);
    }
    if (closed || found === null) return;
    const result = found;
    const key = `${result.namespace}/${result.name}`;
    if (keys.get(file) !== key) forget(file);
    keys.set(file, key);
    change(key, (files) => files.set(file, result));
  }

  function follow(folder: string): void {
    if (watchers.has(folder) || closed) return;
    try {
      const watcher = watch(folder, { persistent: false }, (_, name) => {
        if (name !== null) void look(join(folder, name));
      });
      watcher.on('error', () => {
        watcher.close();
        watchers.delete(folder);
      });
      watchers.set(folder, watcher);
    } catch {
      // It may not be there yet, or watches may have run out: the folder is looked through from time to time.
    }
  }

  async function scanAll(): Promise<void> {
    const present = new Set<string>();
    for (const folder of folders) {
      follow(folder);
      let names: readonly string[];
      try {
        names = await readdir(folder);
      } catch {
        watchers.get(folder)?.close();
        watchers.delete(folder);
        continue;
      }
      for (const name of names) {
        const file = join(folder, name);
        present.add(file);
        if (!keys.has(file)) await look(file);
      }
    }
    for (const file of [...keys.keys()]) if (!present.has(file)) forget(file);
  }

  const scan = (): Promise<void> => {
    scanning = scanning.then(() => (closed ? undefined : scanAll()));
    return scanning;
  };
  const timer = setInterval(() => void scan(), scanMs);
  timer.unref();
  void scan();
  return {
    scan,
    close() {
      closed = true;
      clearInterval(timer);
      for (const watcher of watchers.values()) watcher.close();
    },
  };
}
