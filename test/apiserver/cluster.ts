import { execFile } from 'node:child_process';
import { createPrivateKey, sign } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import * as https from 'node:https';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { load } from 'js-yaml';

const run = promisify(execFile);

/** The folder of reference material, which a clone does not need to have. */
export const SHARED: string = process.env.RAMPART_SHARED ?? resolve(import.meta.dirname, '../../../shared');

const TOOL = join(SHARED, 'tools/kube/kube');
const HOME = process.env.RAMPART_KUBE_DIR ?? join(homedir(), '.cache/rampart-kube');

/** Why no real API server can be started here; `null` if one can. */
export function whyNoCluster(): string | null {
  if (!existsSync(TOOL)) return `${TOOL} is not there`;
  if (!existsSync(join(HOME, 'bin/kube-all'))) return `\`${TOOL} build control-plane\` has not been run`;
  return null;
}

/** A real control plane on loopback. */
export interface TestCluster {
  readonly kubeconfig: string;
  readonly server: string;
  /** A folder that goes with the cluster. */
  readonly folder: string;
  /** Sends one request as administrator. */
  request(method: string, path: string, body?: unknown): Promise<{ readonly status: number; readonly body: unknown }>;
  /** Creates all objects, 32 at a time; fails if one is not created. */
  create(objects: readonly { readonly path: string; readonly object: unknown }[]): Promise<void>;
  /** Creates custom resource definitions from YAML files and waits until they are served. */
  define(...definitions: readonly unknown[]): Promise<void>;
  /** A kubeconfig for a bearer token. */
  kubeconfigFor(token: string, name: string): string;
  /** A token of a service account, as the server's own issuer signs it. */
  token(namespace: string, account: string, expiresAt: number): string;
  stop(): Promise<void>;
}

/** Starts a control plane of that name (at most 6 letters) and port; one left behind by a killed run is removed first. */
export async function startCluster(name: string, port: number): Promise<TestCluster> {
  const env = { ...process.env, RAMPART_KUBE_NAME: name, RAMPART_KUBE_PORT: `${port}` };
  const kube = async (command: string): Promise<void> => {
    await run(TOOL, [command], { env, timeout: 110_000 });
  };
  await kube('down');
  try {
    await kube('up');
  } catch (error) {
    await kube('down');
    throw error;
  }
  const state = join(HOME, 'clusters', name);
  const pki = (file: string): Buffer => readFileSync(join(state, 'pki', file));
  const kubeconfig = join(state, 'admin.kubeconfig');
  const server = `https://127.0.0.1:${port}`;
  const folder = mkdtempSync(join(tmpdir(), 'rampart-cluster-'));
  const agent = new https.Agent({
    keepAlive: true,
    maxSockets: 32,
    ca: pki('ca.crt'),
    cert: pki('admin.crt'),
    key: pki('admin.key'),
  });

  const request: TestCluster['request'] = (method, path, body) =>
    new Promise((done, failed) => {
      const sent = https.request(
        `${server}${path}`,
        { method, agent, headers: body === undefined ? {} : { 'Content-Type': 'application/json' } },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', failed);
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            done({ status: response.statusCode ?? 0, body: text.startsWith('{') ? JSON.parse(text) : text });
          });
        },
      );
      sent.on('error', failed);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });

  const create: TestCluster['create'] = async (objects) => {
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let item = objects[next++]; item !== undefined; item = objects[next++]) {
        const answer = await request('POST', item.path, item.object);
        if (answer.status !== 201)
          throw new Error(`POST ${item.path}: ${answer.status} ${JSON.stringify(answer.body)}`);
      }
    };
    await Promise.all(Array.from({ length: 32 }, worker));
  };

  return {
    kubeconfig,
    server,
    folder,
    request,
    create,
    async define(...definitions) {
      const paths: string[] = [];
      for (const definition of definitions) {
        const crd = (typeof definition === 'string' ? load(readFileSync(definition, 'utf8')) : definition) as Crd;
        await create([{ path: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', object: crd }]);
        for (const version of crd.spec.versions) {
          if (version.served) paths.push(`/apis/${crd.spec.group}/${version.name}/${crd.spec.names.plural}`);
        }
      }
      for (const path of paths) {
        for (let i = 0; (await request('GET', path)).status !== 200; i++) {
          if (i > 200) throw new Error(`${path} is not served`);
          await new Promise((done) => setTimeout(done, 50));
        }
      }
    },
    kubeconfigFor(token, user) {
      const file = join(folder, `${user}.kubeconfig`);
      const config = {
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': user,
        clusters: [{ name: 'c', cluster: { server, 'certificate-authority-data': pki('ca.crt').toString('base64') } }],
        users: [{ name: user, user: { token } }],
        contexts: [{ name: user, context: { cluster: 'c', user } }],
      };
      writeFileSync(file, JSON.stringify(config));
      return file;
    },
    token(namespace, account, expiresAt) {
      const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
      const issuer = 'https://kubernetes.default.svc.cluster.local';
      const claims = {
        iss: issuer,
        aud: [issuer],
        iat: expiresAt - 3600,
        nbf: expiresAt - 3600,
        exp: expiresAt,
        sub: `system:serviceaccount:${namespace}:${account}`,
        'kubernetes.io': { namespace, serviceaccount: { name: account, uid: '' } },
      };
      const input = `${part({ alg: 'ES256', typ: 'JWT' })}.${part(claims)}`;
      const key = createPrivateKey(pki('service-account.key'));
      return `${input}.${sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
    },
    async stop() {
      agent.destroy();
      rmSync(folder, { recursive: true, force: true });
      await kube('down');
    },
  };
}

interface Crd {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly plural: string };
    readonly versions: readonly { readonly name: string; readonly served: boolean }[];
  };
}
