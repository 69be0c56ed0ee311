import { execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiServer } from '../../src/lab/api-server/api.ts';
import { type ListeningApi, listenApi } from '../../src/lab/api-server/server.ts';

const KUBECTL = join(process.env.RAMPART_KUBE_DIR ?? join(homedir(), '.cache/rampart-kube'), 'bin/kubectl');
const missing = existsSync(KUBECTL) ? null : `there is no ${KUBECTL}`;
if (missing !== null) console.log(`skipped: kubectl with the embedded API server: ${missing}`);

const DEPLOYMENT = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {team: a}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web, ports: [{containerPort: 8080}]}]}
`;
const MANIFEST = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress]}
---${DEPLOYMENT}`;

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

describe.skipIf(missing !== null)('kubectl with the embedded API server', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rampart-lab-api-'));
  let server: ListeningApi;

  const command = (args: readonly string[]): readonly string[] => [
    '--server',
    server.url,
    '--cache-dir',
    join(folder, 'cache'),
    ...args,
  ];
  const env = { PATH: process.env.PATH ?? '', HOME: folder, KUBECONFIG: '/dev/null' };
  const kubectl = (args: string, input = ''): Promise<Ran> =>
    new Promise((done) => {
      const child = execFile(KUBECTL, command(args.split(' ')), { env, timeout: 30_000 }, (error, out, err) => {
        done({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, out, err });
      });
      child.stdin?.end(input);
    });
  const ok = async (args: string, input = ''): Promise<string> => {
    const ran = await kubectl(args, input);
    expect(ran, `${args}: ${ran.err}`).toMatchObject({ code: 0 });
    return ran.out;
  };

  beforeAll(async () => {
    server = await listenApi(apiServer({ now: Date.now, uid: randomUUID }), { host: '127.0.0.1', port: 0 });
  });
  afterAll(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('applies without flags, again without change, and server-side', async () => {
    expect(await ok('apply -f -', MANIFEST)).toBe(
      'namespace/shop created\nservice/web created\nnetworkpolicy.networking.k8s.io/deny created\ndeployment.apps/web created\n',
    );
    expect(await ok('apply -f -', MANIFEST)).toBe(
      'namespace/shop unchanged\nservice/web unchanged\nnetworkpolicy.networking.k8s.io/deny unchanged\ndeployment.apps/web unchanged\n',
    );
    expect(
      await ok('apply --server-side --force-conflicts -f -', DEPLOYMENT.replace('replicas: 2', 'replicas: 4')),
    ).toContain('serverside-applied');
    expect(await ok('-n shop get deploy web -o jsonpath={.spec.replicas}')).toBe('4');
    expect(await ok('-n shop get svc web -o jsonpath={.spec.ports[*].protocol}')).toBe('UDP TCP');
    expect((await kubectl('diff -f -', MANIFEST)).out).toContain('-  replicas: 4');
  });

  it('gets, describes, labels, scales, waits, edits by patch and deletes', async () => {
    expect(await ok('-n shop get netpol')).toMatch(/^NAME +POD-SELECTOR +AGE\ndeny +<none> +/);
    expect(await ok('get all -A')).toContain('deployment.apps/web');
    expect(await ok('-n shop describe netpol deny')).toContain('Selected pods are isolated for ingress connectivity');
    expect(await ok('-n shop label svc web x=y')).toBe('service/web labeled\n');
    expect(await ok('-n shop get svc -l x=y,!z -o name')).toBe('service/web\n');
    expect(await ok('-n shop scale deploy web --replicas=3')).toBe('deployment.apps/web scaled\n');
    expect(await ok('-n shop get deploy web -o jsonpath={.spec.replicas}')).toBe('3');
    expect(
      await ok(
        '-n shop patch deploy web -p {"spec":{"template":{"spec":{"containers":[{"name":"web","image":"other"}]}}}}',
      ),
    ).toContain('patched');
    expect(
      await ok(
        '-n shop get deploy web -o jsonpath={.spec.template.spec.containers[0].image}{.spec.template.spec.containers[0].ports[0].containerPort}',
      ),
    ).toBe('other8080');
    const waiting = ok('-n shop wait deploy web --for=jsonpath={.metadata.labels.done}=yes --timeout=20s');
    await ok('-n shop label deploy web done=yes');
    expect(await waiting).toContain('condition met');
    expect(await ok('-n shop delete netpol deny')).toContain('deleted');
    expect((await kubectl('-n shop get netpol deny')).err).toContain('NotFound');
    expect(await ok('-n shop delete svc -l x=y')).toContain('"web" deleted');
  });

  it('is told why a policy is refused, in the words of the real server', async () => {
    const bad = `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: bad, namespace: shop}, spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.300/8}}]}]}}`;
    const ran = await kubectl('apply -f -', bad);
    expect(ran.code).toBe(1);
    expect(ran.err).toContain(
      'The NetworkPolicy "bad" is invalid: spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "10.0.0.300/8"',
    );
    const unknown = await kubectl(
      'apply -f -',
      bad.replace('10.0.0.300/8', '10.0.0.0/8').replace('ingress:', 'ingres:'),
    );
    expect(unknown.err).toContain('unknown field "spec.ingres"');
  });

  it('watches: what happens after the list comes as it happens', async () => {
    const child = spawn(KUBECTL, command(['-n', 'shop', 'get', 'configmaps', '--output-watch-events', '-w']), { env });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString('utf8');
    });
    const seen = async (text: string): Promise<void> => {
      for (let tries = 0; !out.includes(text); tries++) {
        if (tries > 200) throw new Error(`\`${text}\` did not come: ${out}`);
        await new Promise((done) => setTimeout(done, 50));
      }
    };
    try {
      const made = await kubectl('-n shop create configmap one');
      expect(made.err).toContain('pipe it into `kubectl apply -f -`');
      await ok('apply -f -', await ok('-n shop create configmap one --dry-run=client -o yaml'));
      await seen('ADDED');
      await ok('-n shop delete configmap one');
      await seen('DELETED');
    } finally {
      child.kill();
    }
  });

  it('serves custom resources as soon as they are defined, and not after', async () => {
    const definition = {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: 'gadgets.example.com' },
      spec: {
        group: 'example.com',
        scope: 'Namespaced',
        names: { plural: 'gadgets', singular: 'gadget', kind: 'Gadget', shortNames: ['gd'] },
        versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
      },
    };
    const file = join(folder, 'crd.json');
    writeFileSync(file, JSON.stringify(definition));
    await ok(`apply -f ${file}`);
    await ok('wait crd gadgets.example.com --for=condition=Established --timeout=10s');
    await ok(
      'apply -f -',
      '{apiVersion: example.com/v1, kind: Gadget, metadata: {name: g, namespace: shop}, spec: {size: 3}}',
    );
    expect(await ok('-n shop get gd -o jsonpath={.items[0].spec.size}')).toBe('3');
    await ok('delete crd gadgets.example.com');
    expect((await kubectl('-n shop get gadgets')).code).toBe(1);
  });

  it('deletes a namespace with all that is in it', async () => {
    await ok('delete ns shop --timeout=20s');
    expect(await ok('get deploy,svc,cm -A -o name')).toBe('');
  });
});
