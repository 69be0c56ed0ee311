import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LabSession, upLab } from '../../src/lab/session.ts';
import { asked, downAll, missingLab, newName, output, tcp, udp } from './labs.ts';
import { smallPlan } from './small-plan.ts';

const why = missingLab();
if (why !== null) console.log(`skipped: labs with policies (${why})`);

const TOP = join(import.meta.dirname, '../..');

const POLICIES = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: only-b, namespace: web}
spec:
  podSelector: {matchLabels: {app: a}}
  policyTypes: [Ingress]
  ingress:
    - from: [{podSelector: {matchLabels: {app: b}}}]
      ports: [{port: 80}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: c-stays-in, namespace: web}
spec:
  podSelector: {matchLabels: {app: c}}
  policyTypes: [Egress]
  egress:
    - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]
    - to: [{ipBlock: {cidr: 203.0.113.0/24}}]
      ports: [{port: 443}]
`;

const LATER = `
apiVersion: v1
kind: Pod
metadata: {name: late, namespace: web, labels: {app: b}}
spec:
  nodeName: right
  containers: [{name: c, image: x, ports: [{containerPort: 7070}]}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: many, namespace: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: many}}
  template:
    metadata: {labels: {app: many}}
    spec:
      containers: [{name: c, image: x, ports: [{containerPort: 6060}]}]
---
apiVersion: v1
kind: Service
metadata: {name: many, namespace: web}
spec:
  selector: {app: many}
  ports: [{port: 60, targetPort: 6060}]
`;

describe.skipIf(why !== null).each([
  { cni: 'ptp', deny: 'drop' },
  { cni: 'bridge', deny: 'reject' },
] as const)('a lab with policies ($cni, $deny)', ({ cni, deny }) => {
  let name = '';
  const folder = mkdtempSync(join(tmpdir(), 'rampart-lab-'));
  let lab: LabSession;
  const rampart = (
    ...args: readonly string[]
  ): { readonly status: number | null; readonly stdout: string; readonly stderr: string } =>
    spawnSync(process.execPath, [join(TOP, 'src/cli/main.ts'), 'lab', ...args], { encoding: 'utf8', timeout: 90_000 });

  beforeAll(async () => {
    name = newName();
    lab = await upLab(smallPlan(POLICIES), { name, cni, deny, replicas: 3 });
  });
  afterAll(async () => {
    lab?.close();
    rmSync(folder, { recursive: true });
    await downAll();
  });

  it('enforces them in the kernel as soon as it is up: on one node, between nodes, in both families', async () => {
    const a = ['10.30.1.5', 'fd30:1::5'];
    expect(
      await asked(
        lab,
        'web/b',
        a.map((address) => tcp(address, 80)),
      ),
    ).toEqual(Array(2).fill('allowed by web/a'));
    expect(
      await asked(
        lab,
        'web/b',
        a.map((address) => udp(address, 80)),
      ),
    ).toEqual(Array(2).fill('denied'));
    expect(
      await asked(
        lab,
        'kube-system/names',
        a.map((address) => tcp(address, 80)),
      ),
    ).toEqual(Array(2).fill('denied'));
    expect(
      await asked(
        lab,
        'outside',
        a.map((address) => tcp(address, 80)),
      ),
    ).toEqual(Array(2).fill('denied'));
    // A node may reach its own pods whatever the policies say.
    expect(
      await asked(
        lab,
        'node:left',
        a.map((address) => tcp(address, 80)),
      ),
    ).toEqual(Array(2).fill('allowed by web/a'));
    expect(
      await asked(lab, 'web/c', [
        tcp('203.0.113.7', 443),
        tcp('203.0.113.7', 80),
        tcp('10.30.2.53', 53),
        tcp('10.30.1.6', 80),
      ]),
    ).toEqual(['allowed by outside', 'denied', 'allowed by kube-system/names', 'denied']);
  });

  it('judges Services by the pods behind them', async () => {
    expect(await asked(lab, 'web/b', [tcp('10.96.0.4', 80)])).toEqual(['allowed by web/a']);
    expect(await asked(lab, 'kube-system/names', [tcp('10.96.0.4', 80)])).toEqual(['denied']);
    expect(await asked(lab, 'web/c', [tcp('10.96.0.4', 80), tcp('172.30.0.11', 30_084)])).toEqual(['denied', 'denied']);
    // To itself it may always go, through a Service as well.
    expect(await asked(lab, 'web/c', [tcp('10.96.0.1', 80)])).toEqual(['allowed by web/c']);
  });

  it('says what was denied, and by which policy', async () => {
    await asked(lab, 'kube-system/names', [tcp('10.30.1.5', 80)]);
    const records = (): readonly { readonly src: string; readonly dst: string; readonly decidedBy: string }[] =>
      rampart('logs', '--name', name, '-o', 'json')
        .stdout.split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as { src: string; dst: string; decidedBy: string });
    await expect
      .poll(records, { timeout: 20_000 })
      .toContainEqual(
        expect.objectContaining({ src: 'kube-system/names', dst: 'web/a', decidedBy: 'NetworkPolicy/web/only-b' }),
      );
    expect(rampart('logs', '--name', name).stdout).toMatch(
      /left ingress kube-system\/names → web\/a:80 TCP: NetworkPolicy\/web\/only-b\n/,
    );
  });

  it('follows what is applied and deleted while it runs', async () => {
    const file = join(folder, 'later.yaml');
    writeFileSync(file, LATER);
    const applied = rampart('apply', '-f', file, '--name', name);
    expect([applied.status, applied.stdout.split('\n').sort()]).toEqual([
      0,
      ['', 'Deployment/web/many created', 'Pod/web/late created', 'Service/web/many created'],
    ]);
    expect(rampart('apply', '-f', file, '--name', name).stdout).toContain('Pod/web/late unchanged');
    const { pods } = await lab.status();
    const late = pods.find(({ id }) => id === 'web/late');
    expect(late).toMatchObject({ node: 'right', state: 'running', listening: [{ protocol: 'TCP', port: 7070 }] });
    expect(pods.filter(({ id }) => id.startsWith('web/many-'))).toHaveLength(2);
    // It has the label that the policy wants, and it is found by its name.
    expect(await asked(lab, 'web/late', [tcp('10.30.1.5', 80)])).toEqual(['allowed by web/a']);
    const address = await output(lab, 'web/late', 'getent', 'ahostsv4', 'many');
    const [seen = ''] = await asked(lab, 'web/late', [tcp(address.split(' ')[0] ?? '', 60)]);
    expect(seen).toMatch(/^allowed by web\/many-/);
    const gone = rampart('delete', '-f', file, '--name', name);
    expect(gone.status).toBe(0);
    expect((await lab.status()).pods.map(({ id }) => id)).toEqual([
      'kube-system/names',
      'web/a',
      'web/b',
      'web/c',
      'web/host',
    ]);
    expect(rampart('delete', '-f', file, '--name', name).stdout).toContain('Pod/web/late absent');
  });

  it('opens what a deleted policy closed', async () => {
    const file = join(folder, 'policies.yaml');
    writeFileSync(file, POLICIES);
    expect(rampart('delete', '-f', file, '--name', name).status).toBe(0);
    expect(await asked(lab, 'kube-system/names', [tcp('10.30.1.5', 80), udp('10.30.1.5', 80)])).toEqual(
      Array(2).fill('allowed by web/a'),
    );
    expect(rampart('apply', '-f', file, '--name', name).status).toBe(0);
    expect(await asked(lab, 'kube-system/names', [tcp('10.30.1.5', 80), udp('10.30.1.5', 80)])).toEqual(
      Array(2).fill('denied'),
    );
  });

  it('runs programs with their own exit code, and names who is near', () => {
    const ran = rampart('exec', 'web/a', '--name', name, '--', 'sh', '-c', 'hostname; exit 9');
    expect([ran.status, ran.stdout]).toEqual([9, 'a\n']);
    const table = rampart('exec', '--name', name, 'node/left', '--', 'nft', 'list', 'tables');
    expect(table.stdout).toContain('table inet rampart\n');
    const nobody = rampart('exec', 'web/aa', '--name', name, '--', 'true');
    expect([nobody.status, nobody.stderr]).toEqual([1, expect.stringContaining('did you mean `web/a`')]);
  });

  it('captures what passes a pod', async () => {
    const capture = spawn(process.execPath, [
      join(TOP, 'src/cli/main.ts'),
      'lab',
      'capture',
      'web/b',
      '--name',
      name,
      '--',
      '-c',
      '1',
      'tcp dst port 80',
    ]);
    let text = '';
    capture.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    const ended = new Promise((resolve) => capture.on('close', resolve));
    // Until it has begun to listen, connections pass unseen.
    while (capture.exitCode === null && capture.signalCode === null) {
      await asked(lab, 'web/b', [tcp('10.30.1.5', 80)]);
      await sleep(200);
    }
    expect(await ended).toBe(0);
    expect(text).toContain('> 10.30.1.5.80: Flags [S]');
  });

  it('starts an agent again that has died, and enforces all the while', async () => {
    await output(
      lab,
      'node:left',
      'sh',
      '-c',
      'kill -9 $(ps ax | grep "[m]ain.ts agent --node left" | sed "s/^ *//" | cut -d" " -f1)',
    );
    await expect.poll(async () => (await lab.status()).nodes[0]?.agent.restarts).toBe(1);
    expect(await asked(lab, 'kube-system/names', [tcp('10.30.1.5', 80)])).toEqual(['denied']);
    await expect.poll(async () => (await lab.status()).nodes[0]?.agent.state, { timeout: 30_000 }).toBe('ready');
    expect(await asked(lab, 'web/b', [tcp('10.30.1.5', 80)])).toEqual(['allowed by web/a']);
  });
});
