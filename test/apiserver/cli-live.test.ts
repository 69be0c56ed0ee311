/** The command line against a live cluster: what is in the cluster answers as its manifests do, and what may not be read is said. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { load, loadAll } from 'js-yaml';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RESOURCES } from '../../src/io/resources.ts';
import { cli, type Json, json, type Outcome, SHOP } from '../cli/run-cli.ts';
import { startCluster, type TestCluster } from './cluster.ts';
import { type CustomResourceDefinition, missingKube, sharedDir } from './kube.ts';

const why = missingKube() ?? (kubectl('version', '--client') === null ? 'kubectl is not on the PATH' : null);
if (why !== null) console.log(`skipped: the command line is tried on a real API server, and ${why}`);

const CRDS = join(sharedDir, 'crds/network-policy-api/v1alpha2-experimental');

function kubectl(...args: readonly string[]): string | null {
  try {
    return execFileSync('kubectl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    if (existsSync('/usr/bin/kubectl')) throw error;
    return null;
  }
}

interface Pair {
  readonly src: string;
  readonly dst: string;
  readonly conn: unknown;
}

interface Answer extends Json {
  readonly verdict: string;
  readonly undefinedBecause?: string;
  readonly caveats: readonly string[];
}

const daemonSet = (name: string, namespace: string, labels: Json, image: string): Json => ({
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name, namespace, labels },
  spec: {
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { hostNetwork: true, containers: [{ name, image }] } },
  },
});

describe.skipIf(why !== null)('a live cluster on the command line', () => {
  let cluster: TestCluster;
  /** The options that read the cluster as its administrator. */
  let live: readonly string[] = [];

  beforeAll(async () => {
    cluster = await startCluster('cli', 17743);
    live = ['--kubeconfig', cluster.kubeconfig];
    for (const file of readdirSync(CRDS)) {
      await cluster.kube.define(load(readFileSync(join(CRDS, file), 'utf8')) as CustomResourceDefinition);
    }
    const namespaces = readdirSync(SHOP, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.yaml'))
      .flatMap((file) => loadAll(readFileSync(join(SHOP, file), 'utf8')) as { readonly kind: string }[])
      .filter((object) => object.kind === 'Namespace');
    const first = join(cluster.folder, 'namespaces.json');
    writeFileSync(first, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: namespaces }));
    kubectl(...live, 'apply', '-f', first);
    kubectl(...live, 'apply', '-R', '-f', SHOP);
  });
  afterAll(async () => {
    await cluster?.stop();
  });

  async function rights(user: string, resources: readonly (readonly [string, readonly string[]])[]): Promise<string[]> {
    await cluster.create([
      { path: '/api/v1/namespaces/default/serviceaccounts', object: { metadata: { name: user } } },
      {
        path: '/apis/rbac.authorization.k8s.io/v1/clusterroles',
        object: {
          metadata: { name: user },
          rules: resources.map(([group, names]) => ({ apiGroups: [group], resources: names, verbs: ['get', 'list'] })),
        },
      },
      {
        path: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
        object: {
          metadata: { name: user },
          roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: user },
          subjects: [{ kind: 'ServiceAccount', namespace: 'default', name: user }],
        },
      },
    ]);
    const path = `/api/v1/namespaces/default/serviceaccounts/${user}/token`;
    const issued = await cluster.kube.send('POST', path, { spec: { expirationSeconds: 3600 } });
    const { token } = (issued.body as { readonly status: { readonly token: string } }).status;
    return ['--kubeconfig', cluster.kubeconfigFor(token, user)];
  }

  const QUESTIONS = [
    { src: 'shop/checkout', dst: 'payments/gateway', protocol: 'TCP', port: 8443 },
    { src: 'shop/cart', dst: 'svc/data/redis', protocol: 'TCP', port: 6379 },
    { src: 'shop/frontend', dst: 'data/postgres', protocol: 'TCP', port: 5432 },
  ];
  const ask = async (options: readonly string[]): Promise<readonly Answer[]> => {
    const report = await json(['query', ...options, '--flows', '-'], { stdin: JSON.stringify(QUESTIONS) });
    return report.flows as readonly Answer[];
  };
  const verdicts = (answers: readonly Answer[]): readonly string[] => answers.map(({ verdict }) => verdict);

  it('answers as the manifests do that were applied to it', async () => {
    const fromFiles = await json(['connectivity', '-f', SHOP]);
    const fromCluster = await json(['connectivity', ...live]);
    expect((fromCluster.allowed as readonly Pair[]).length).toBeGreaterThan(30);
    for (const key of ['peers', 'allowed', 'unspecified', 'ingressController']) {
      expect(fromCluster[key], key).toEqual(fromFiles[key]);
    }
    expect(verdicts(await ask(live))).toEqual(['denied', 'allowed', 'denied']);
  });

  it('explains by objects instead of files', async () => {
    const { code, out, err } = await cli(['explain', 'shop/checkout', 'svc/payments/gateway:8443', ...live]);
    expect(code).toBe(2);
    expect(out).toContain('≈ spec.ingress[0]  nearly: the source matches, but port 8080 ≠ 8443');
    expect(out).toContain('add `port: 8080` to `spec.ingress[0].ports`');
    const note = 'what enforces NetworkPolicy in this cluster is not known';
    expect(out).toContain(`assumed: ${note}`);
    expect(err).toBe(`RP501 warning: ${note}\n`);
    const report = await json(['explain', 'shop/checkout', 'svc/payments/gateway:8443', ...live]);
    const { reasons } = report.ingress as { readonly reasons: readonly Json[] };
    expect(reasons[0]?.origin).toEqual({ object: 'NetworkPolicy/payments/allow-checkout' });
    expect(report.caveats).toContain(note);
  });

  it('saved to a file answers the same', async () => {
    const file = join(cluster.folder, 'snapshot.yaml');
    expect(await cli(['snapshot', ...live, '--out', file, '-q'])).toEqual({ code: 0, out: '', err: '' });
    for (const command of ['connectivity', 'exposure', 'policies'] as const) {
      const { diagnostics: _, ...fromCluster } = await json([command, ...live]);
      const { diagnostics: __, ...fromFile } = await json([command, '-f', file]);
      expect(withoutOrigins(fromFile), command).toEqual(withoutOrigins(fromCluster));
    }
    expect(verdicts(await ask(['-f', file]))).toEqual(['denied', 'allowed', 'denied']);
    const same = await cli(['diff', '--from', file, '--to', 'live', ...live, '--exit-code']);
    expect([same.code, same.out]).toEqual([0, 'no difference in connectivity\n']);
    const applied = await cli(['diff', '--from', SHOP, '--to', 'live', ...live, '--exit-code', '-q']);
    expect([applied.code, applied.out]).toEqual([0, 'no difference in connectivity\n']);
  });

  describe.each(['networkpolicies', 'pods', 'namespaces', 'clusternetworkpolicies'])('without rights to %s', (what) => {
    let options: readonly string[] = [];
    beforeAll(async () => {
      const others = RESOURCES.filter(({ resource }) => resource !== what);
      options = await rights(
        `no-${what}`,
        others.map(({ group, resource }) => [group, [resource]]),
      );
    });

    it('names them, and takes nothing for allowed that rests on them', async () => {
      const whole = await json(['connectivity', ...live]);
      const { code, out, err } = await cli(['connectivity', ...options, '-o', 'json']);
      const report = JSON.parse(out) as Json;
      const said = /^RP801 warning: `([a-z.0-9]+)` could not be read: forbidden: .*default:no-/m.exec(err);
      expect([code, said?.[1]?.split('.')[0]]).toEqual([0, what]);
      // Whatever is allowed is so with all rights, too.
      const sure = new Map((whole.allowed as readonly Pair[]).map((pair) => [`${pair.src} ${pair.dst}`, pair.conn]));
      for (const { src, dst, conn } of report.allowed as readonly Pair[])
        expect(conn).toEqual(sure.get(`${src} ${dst}`));
      for (const [i, answer] of (await ask(options)).entries()) {
        if (answer.verdict === 'undefined') expect(answer.undefinedBecause).toContain(`${what} could not be read`);
        else expect(answer.verdict).toBe(['denied', 'allowed', 'denied'][i]);
      }
    });

    it('gives the answer away to nobody by a snapshot', async () => {
      const file = join(cluster.folder, `no-${what}.yaml`);
      expect((await cli(['snapshot', ...options, '--out', file, '-q'])).code).toBe(0);
      expect(verdicts(await ask(['-f', file]))).toEqual(verdicts(await ask(options)));
    });
  });

  it('leaves open what depends on policies or pods that may not be read', async () => {
    for (const what of ['networkpolicies', 'pods']) {
      const options = ['--kubeconfig', join(cluster.folder, `no-${what}.kubeconfig`)];
      const answers = await ask(options);
      expect(verdicts(answers)).toEqual(['undefined', 'undefined', 'undefined']);
      for (const { undefinedBecause } of answers) expect(undefinedBecause).toContain(`${what} could not be read`);
      const report = await json(['connectivity', ...options]);
      expect(report.allowed).toEqual([]);
      const [reason] = report.unspecifiedBecause as readonly { readonly because: string; readonly pairs: number }[];
      expect(reason?.because).toContain(`${what} could not be read: forbidden`);
      expect(reason?.pairs).toBe((report.unspecified as readonly unknown[]).length);
      const outside = await cli(['explain', '10.9.9.9', 'ingress-nginx/controller:8080', ...options]);
      expect(outside.code).toBe(2);
      expect(outside.out).toContain('? UNDEFINED');
    }
  });

  it('says nothing of exposure and of changes where pods may not be read', async () => {
    const options = ['--kubeconfig', join(cluster.folder, 'no-pods.kubeconfig')];
    const exposure = await json(['exposure', ...options]);
    expect([exposure.entries, exposure.unprotected]).toEqual([[], []]);
    const diff = await json(['diff', '--from', SHOP, '--to', 'live', ...options]);
    expect([diff.changes, diff.partialChanges]).toEqual([[], []]);
    for (const { unspecified } of [exposure, diff] as readonly { readonly unspecified?: unknown }[]) {
      expect(unspecified).toContainEqual(['shop/cart[Deployment]', 'data/redis[StatefulSet]']);
      // 11 workloads among each other, and to and from the outside over both families.
      expect(unspecified).toHaveLength(11 * 10 + 2 * 11 * 2);
    }
    const { out } = await cli(['diff', '--from', SHOP, '--to', 'live', ...options]);
    expect(out).toContain('no known difference in connectivity');
  });

  it('that cannot be entered or found fails with the way out', async () => {
    const free = createServer();
    await new Promise<void>((done) => free.listen(0, '127.0.0.1', done));
    const { port } = free.address() as { readonly port: number };
    await new Promise((done) => free.close(done));
    const elsewhere = join(cluster.folder, 'elsewhere.kubeconfig');
    const text = readFileSync(cluster.kubeconfig, 'utf8');
    writeFileSync(elsewhere, text.replace(cluster.server, `https://127.0.0.1:${port}`));
    const nobody = cluster.kubeconfigFor('no-token', 'nobody');
    const cases: readonly (readonly [readonly string[], string, string])[] = [
      [[...live, '--context', 'ramparts'], 'no context `ramparts`', 'did you mean `rampart`?'],
      [['--kubeconfig', elsewhere], `https://127.0.0.1:${port}`, 'help: '],
      [['--kubeconfig', nobody], 'does not accept the credentials of user `nobody`', 'sign in again'],
      [['--kubeconfig', join(cluster.folder, 'none')], 'does not exist', ''],
    ];
    for (const [options, message, help] of cases) {
      const outcome: Outcome = await cli(['connectivity', ...options]);
      expect([outcome.code, outcome.out]).toEqual([1, '']);
      expect(outcome.err).toContain(message);
      expect(outcome.err).toContain(help);
    }
  });

  it('whose network enforces nothing says so with every answer', async () => {
    await cluster.create([
      { path: '/api/v1/nodes', object: { metadata: { name: 'n1' } } },
      { path: '/api/v1/namespaces', object: { metadata: { name: 'kube-flannel' } } },
      {
        path: '/apis/apps/v1/namespaces/kube-flannel/daemonsets',
        object: daemonSet('kube-flannel-ds', 'kube-flannel', { app: 'flannel' }, 'docker.io/flannel/flannel:v0.26.1'),
      },
    ]);
    const note = "this cluster's CNI (flannel) does not enforce NetworkPolicy";
    // The DaemonSet's controller needs a moment to count the node.
    for (let tries = 0; ; tries++) {
      const { err } = await cli(['validate', ...live, '-o', 'json']);
      if (err.includes('flannel')) break;
      if (tries > 50) throw new Error(`never said: ${note}`);
      await new Promise((wake) => setTimeout(wake, 100));
    }
    const { out, err } = await cli(['explain', 'shop/checkout', 'payments/gateway:8443', ...live]);
    expect(err).toContain(`RP501 warning: ${note}`);
    expect(out).toContain(`assumed: ${note}`);
    const answers = await ask(live);
    for (const answer of answers) {
      expect(answer.caveats).toContain(note);
      expect(answer.verdict).not.toBe('denied');
    }
    expect(answers.some((answer) => answer.verdict === 'undefined' && answer.undefinedBecause === note)).toBe(true);
    const report = await json(['connectivity', ...live]);
    expect(report.diagnostics).toEqual(
      expect.arrayContaining([expect.objectContaining({ code: 'RP501', severity: 'warning', message: note })]),
    );
  });
});

/** Places in a file differ from names of objects; all else has to agree. */
function withoutOrigins(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutOrigins);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== 'origin')
      .map(([key, inner]) => [key, withoutOrigins(inner)]),
  );
}
