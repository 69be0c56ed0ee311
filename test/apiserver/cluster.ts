import { createPrivateKey, sign } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Kube, startKube } from './kube.ts';

/** A control plane with what tests of reading it need: many objects, and other users than its administrator. */
export interface TestCluster {
  readonly kube: Kube;
  readonly server: string;
  /** Of the administrator. */
  readonly kubeconfig: string;
  /** A folder that goes with the cluster. */
  readonly folder: string;
  /** Creates all objects, several at a time; fails if one is not created. */
  create(objects: readonly { readonly path: string; readonly object: unknown }[]): Promise<void>;
  /** A kubeconfig of the user with that bearer token. */
  kubeconfigFor(token: string, user: string): string;
  /** A token of a service account with the signature of the server's own issuer. `expiresAt` is in seconds. */
  token(namespace: string, account: string, expiresAt: number): string;
  stop(): Promise<void>;
}

/** Starts a control plane under a name (at most 6 letters) and on ports of its own: `port` and the five after it. */
export async function startCluster(name: string, port: number): Promise<TestCluster> {
  const kube = await startKube({ name, port });
  const folder = mkdtempSync(join(tmpdir(), 'rampart-cluster-'));
  const pki = (file: string): Buffer => readFileSync(join(dirname(kube.kubeconfig), 'pki', file));
  return {
    kube,
    server: kube.server,
    kubeconfig: kube.kubeconfig,
    folder,
    async create(objects) {
      let next = 0;
      const worker = async (): Promise<void> => {
        for (let item = objects[next++]; item !== undefined; item = objects[next++]) {
          const answer = await kube.send('POST', item.path, item.object);
          if (answer.status !== 201) throw new Error(`POST ${item.path}: ${JSON.stringify(answer.body)}`);
        }
      };
      await Promise.all(Array.from({ length: 16 }, worker));
    },
    kubeconfigFor(token, user) {
      const ca = pki('ca.crt').toString('base64');
      const file = join(folder, `${user}.kubeconfig`);
      const config = {
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': user,
        clusters: [{ name: 'c', cluster: { server: kube.server, 'certificate-authority-data': ca } }],
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
      rmSync(folder, { recursive: true, force: true });
      await kube.down();
    },
  };
}
