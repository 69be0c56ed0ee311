import type { JsonObject, KubeObject } from '../manifest/object.ts';
import type { Missing } from '../model/cluster.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import { type Discovery, discover } from './discovery.ts';
import { IoError } from './io-error.ts';
import {
  type Answer,
  type ClientOptions,
  isObject,
  type KubeClient,
  messageOf,
  objectsOf,
  openClient,
} from './kube-client.ts';
import { type ClusterChoice, type Connection, connect } from './kubeconfig.ts';
import { pruneLive } from './prune.ts';
import { RESOURCES, type Resource, resourceName } from './resources.ts';

/** What is said of each resource that could not be read. */
export const UNREAD_CODE = { code: 'RP801', title: 'a resource of a live cluster that could not be read' } as const;

/** How far reading is: called after every page. */
export type OnProgress = (resource: string, items: number) => void;

export interface ReadClusterOptions extends ClientOptions {
  readonly onProgress?: OnProgress;
  /** Objects per request. */
  readonly pageSize?: number;
  /** Requests at a time. */
  readonly concurrency?: number;
}

/** A live cluster as it was read. */
export interface ClusterReading {
  /** In the order of {@link RESOURCES}, then as the server sorts. */
  readonly objects: readonly KubeObject[];
  /** What should have been read and could not be. */
  readonly missing: readonly Missing[];
  readonly context: string;
  readonly server: string;
  /** `v1.34.4`, or `null` where the server does not tell. */
  readonly serverVersion: string | null;
  /** One warning for each missing resource. */
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Lists everything in a live cluster that bears on an answer; never writes. A resource that cannot be read is named in
 * `missing`; one that the server does not serve is none. Throws {@link IoError} where there is no cluster to read: no
 * usable kubeconfig, no connection (also one that breaks off half-way), no valid credentials, no right to read anything.
 */
export async function readCluster(choice: ClusterChoice, options: ReadClusterOptions = {}): Promise<ClusterReading> {
  return readFrom(await connect(choice), options);
}

/** {@link readCluster} with the connection made. */
export async function readFrom(connection: Connection, options: ReadClusterOptions = {}): Promise<ClusterReading> {
  const client = openClient(connection, options);
  try {
    const serverVersion = await versionOf(client);
    const discovery = await discover(client, [...new Set(RESOURCES.map((r) => r.group))]);
    const plan = planOf(discovery);
    const lists = await inParallel(plan, options.concurrency ?? 6, (step) => readStep(client, step, options));
    const missing = lists.flatMap((list) => (list.missing === null ? [] : [list.missing]));
    const readBuiltIn = plan.some((step, i) => step.resource.builtIn && lists[i]?.missing === null);
    if (!readBuiltIn) throw nothingReadable(connection, missing);
    return {
      objects: lists.flatMap((list) => list.objects),
      missing,
      context: connection.context,
      server: connection.server,
      serverVersion,
      diagnostics: missing.map(diagnosticOf),
    };
  } finally {
    client.close();
  }
}

async function versionOf(client: KubeClient): Promise<string | null> {
  const answer = await client.get('/version');
  if (answer.status === 200 && isObject(answer.body) && typeof answer.body.gitVersion === 'string') {
    return answer.body.gitVersion;
  }
  if (answer.status === 403) return null;
  const said = answer.status === 200 ? 'GET /version gives no version' : `GET /version gives ${messageOf(answer)}`;
  throw new IoError('protocol', `\`${client.connection.server}\` does not answer like Kubernetes: ${said}`, {
    help: 'check the server address of the context, and proxies in between',
  });
}

/** One resource: list it in this version, or say why it cannot be. */
interface Step {
  readonly resource: Resource;
  readonly version: string | null;
  readonly problem: string;
}

function planOf(discovery: Discovery): readonly Step[] {
  const steps: Step[] = [];
  for (const resource of RESOURCES) {
    if (resource.builtIn) {
      steps.push({ resource, version: resource.versions[0] ?? 'v1', problem: '' });
      continue;
    }
    const served = discovery.versionsOf(resource.group, resource.resource);
    if (served === null) {
      // Where the Calico API server is down, its storage still answers.
      if (resource.group === 'projectcalico.org' && serves(discovery, 'crd.projectcalico.org')) continue;
      // A list says for certain whether a resource is there; discovery may be closed to this user.
      const guess = resource.versions[0] ?? null;
      steps.push({ resource, version: guess, problem: discovery.unknown(resource.group) ?? 'not discovered' });
      continue;
    }
    if (served.length === 0) continue;
    // The same objects, once more.
    if (resource.group === 'crd.projectcalico.org' && serves(discovery, 'projectcalico.org')) continue;
    const version = resource.versions.length === 0 ? served[0] : resource.versions.find((v) => served.includes(v));
    steps.push({
      resource,
      version: version ?? null,
      problem: `it is served as ${served.join(', ')} only, which this version of Rampart does not read`,
    });
  }
  return steps;
}

function serves(discovery: Discovery, group: string): boolean {
  return (discovery.versionsOf(group, 'networkpolicies') ?? []).length > 0;
}

interface List {
  readonly objects: readonly KubeObject[];
  readonly missing: Missing | null;
}

async function readStep(client: KubeClient, step: Step, options: ReadClusterOptions): Promise<List> {
  const { resource, version } = step;
  const failed = (reason: string): List => ({
    objects: [],
    missing: { resource: resource.resource, group: resource.group, reason },
  });
  if (version === null) return failed(step.problem);
  try {
    const list = await readList(client, resource, version, options);
    if (list.kind === 'objects') return { objects: list.objects, missing: null };
    // A definition can be deleted between discovery and list.
    if (list.answer.status === 404 && !resource.builtIn) return { objects: [], missing: null };
    return failed(list.answer.status === 403 ? `forbidden: ${messageOf(list.answer)}` : messageOf(list.answer));
  } catch (error) {
    if (error instanceof IoError && error.code === 'timeout') return failed('no answer in time');
    throw error;
  }
}

type Listed =
  | { readonly kind: 'objects'; readonly objects: readonly KubeObject[] }
  | { readonly kind: 'refused'; readonly answer: Answer };

async function readList(
  client: KubeClient,
  resource: Resource,
  version: string,
  options: ReadClusterOptions,
): Promise<Listed> {
  const path = resource.group === '' ? `/api/${version}` : `/apis/${resource.group}/${version}`;
  const apiVersion = resource.group === '' ? version : `${resource.group}/${version}`;
  // Expired means that the pages no longer belong to one state: begin again, then in one piece.
  for (let round = 0; ; round++) {
    const limit = round < 2 ? (options.pageSize ?? 500) : 0;
    const objects: KubeObject[] = [];
    let next = '';
    for (;;) {
      const query = limit === 0 ? '' : `?limit=${limit}${next === '' ? '' : `&continue=${encodeURIComponent(next)}`}`;
      const answer = await client.get(`${path}/${resource.resource}${query}`);
      if (answer.status === 410 && round < 2) break;
      if (answer.status !== 200 || !isObject(answer.body) || !Array.isArray(answer.body.items)) {
        return { kind: 'refused', answer };
      }
      for (const item of objectsOf(answer.body.items)) objects.push(objectOf(resource, apiVersion, item));
      options.onProgress?.(resourceName(resource), objects.length);
      const metadata = answer.body.metadata;
      next = isObject(metadata) && typeof metadata.continue === 'string' ? metadata.continue : '';
      if (next === '') return { kind: 'objects', objects };
    }
  }
}

function objectOf(resource: Resource, apiVersion: string, item: JsonObject): KubeObject {
  const metadata = isObject(item.metadata) ? item.metadata : {};
  const namespace = typeof metadata.namespace === 'string' ? metadata.namespace : 'default';
  return {
    ref: {
      apiVersion,
      kind: resource.kind,
      namespace: resource.namespaced ? namespace : null,
      name: typeof metadata.name === 'string' ? metadata.name : '',
      source: null,
    },
    value: pruneLive(apiVersion, resource.kind, item),
  };
}

/** The results in the order of `items`; the first failure ends the rest. */
async function inParallel<T, R>(
  items: readonly T[],
  width: number,
  action: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  let next = 0;
  let failed = false;
  const worker = async (): Promise<void> => {
    while (!failed) {
      const index = next++;
      const item = items[index];
      if (item === undefined) return;
      try {
        results[index] = await action(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, width) }, worker));
  return results;
}

function nothingReadable(connection: Connection, missing: readonly Missing[]): IoError {
  const first = missing[0]?.reason ?? 'no resource can be listed';
  return new IoError(
    'forbidden',
    `nothing can be read from \`${connection.server}\` (context \`${connection.context}\`): ${first}`,
    {
      help: 'Rampart needs `get` and `list`; the cluster role `view` and the right to list nodes and namespaces suffice for most answers',
    },
  );
}

function diagnosticOf(missing: Missing): Diagnostic {
  const name = resourceName(missing);
  return {
    code: UNREAD_CODE.code,
    severity: 'warning',
    message: `\`${name}\` could not be read: ${missing.reason}`,
    help: `answers that rest on it are undefined; \`kubectl auth can-i list ${name} --all-namespaces\` tells whether you may`,
    origin: null,
  };
}
