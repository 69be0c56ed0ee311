/** `rampart lab run` and `rampart probe --lab`, with the kernel and agents as they are. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectLab, type LabSession } from '../../src/lab/session.ts';
import { labFolder } from '../../src/lab/state-folder.ts';
import { folderOf, remove } from '../cli/run-cli.ts';
import { missingLab } from '../lab/labs.ts';
import { TOP } from '../support/source-files.ts';

const why = missingLab();
if (why !== null) console.log(`skipped: probes of a lab, since ${why}`);

const MAIN = join(TOP, 'src/cli/main.ts');

function pod(name: string, node: string, ports: string): string {
  return `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: shop, labels: {app: ${name}}}
spec: {nodeName: ${node}, containers: [{name: c, image: x, ports: [${ports}]}]}
`;
}

const PODS = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Node
metadata: {name: n1}
---
apiVersion: v1
kind: Node
metadata: {name: n2}
${pod('web', 'n1', '{containerPort: 80}, {containerPort: 53, protocol: UDP}')}${pod('api', 'n1', '{containerPort: 8080}')}${pod(
  'db',
  'n2',
  '{containerPort: 5432}, {containerPort: 9000, protocol: UDP}, {containerPort: 7000, protocol: SCTP}',
)}---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {selector: {app: db}, ports: [{port: 80, targetPort: 5432}]}
`;
const POLICIES = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress, Egress]
  ingress:
  - from: [{podSelector: {matchLabels: {app: api}}}]
    ports: [{port: 5432}]
  - from: [{ipBlock: {cidr: 198.51.100.0/24, except: [198.51.100.128/25]}}]
    ports: [{port: 5432}]
  egress:
  - to: [{ipBlock: {cidr: 203.0.113.0/24}}]
    ports: [{port: 443}]
`;
/** Verdicts by hand: what the policy says, and what is not policed is open. */
const FLOWS = [
  { src: 'shop/api', dst: 'shop/db', protocol: 'TCP', port: 5432, want: 'allowed' },
  { src: 'shop/web', dst: 'shop/db', protocol: 'TCP', port: 5432, want: 'denied' },
  { src: 'shop/api', dst: 'shop/db', protocol: 'UDP', port: 9000, want: 'denied' },
  { src: 'shop/db', dst: 'shop/web', protocol: 'TCP', port: 80, want: 'denied' },
  { src: 'shop/api', dst: 'shop/web', protocol: 'UDP', port: 53, want: 'allowed' },
  { src: 'shop/api', dst: 'svc/shop/db', protocol: 'TCP', port: 80, want: 'allowed' },
  { src: 'shop/web', dst: 'svc/shop/db', protocol: 'TCP', port: 80, want: 'denied' },
  // A port that nobody declares: the pod is made to listen on it, since it was asked about.
  { src: 'shop/web', dst: 'shop/api', protocol: 'TCP', port: 4444, want: 'allowed' },
  { src: '198.51.100.7', dst: 'shop/db', protocol: 'TCP', port: 5432, want: 'allowed' },
  { src: '198.51.100.200', dst: 'shop/db', protocol: 'TCP', port: 5432, want: 'denied' },
  { src: 'shop/db', dst: '203.0.113.5', protocol: 'TCP', port: 443, want: 'allowed' },
  { src: 'shop/db', dst: '203.0.113.5', protocol: 'TCP', port: 80, want: 'denied' },
  { src: 'node/n2', dst: 'shop/db', protocol: 'TCP', port: 5432, want: 'allowed' },
  { src: 'node/n1', dst: 'shop/db', protocol: 'TCP', port: 5432, want: 'denied' },
] as const;

interface Flow {
  readonly src: string;
  readonly dst: string;
  readonly protocol: string;
  readonly port: number;
  readonly verdict: string;
  readonly observed: string;
  readonly agrees: boolean;
  readonly unverifiable?: string;
  readonly trace?: readonly string[];
}

interface Report {
  readonly kind: string;
  readonly flows: readonly Flow[];
  readonly disagreements: number;
  readonly skipped: readonly { readonly what: string; readonly because: string; readonly flows: number }[];
}

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

const name = `t${process.pid}-${randomBytes(2).toString('hex')}`;
let folder = '';
let flowsFolder = '';

function start(...args: readonly string[]) {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 110_000 });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
  });
  return { child, ran: new Promise<Ran>((done) => child.on('close', (code) => done({ code, out, err }))) };
}
const rampart = (...args: readonly string[]): Promise<Ran> => start(...args).ran;
function report({ out, err }: Ran): Report {
  if (!out.startsWith('{')) throw new Error(`no JSON, but ${out}${err}`);
  return JSON.parse(out) as Report;
}
/** What a failed run has to say, without the flows that went well. */
function brief({ out, err }: Ran): string {
  const lines = out.split('\n').filter((line) => !line.includes('"agrees":true'));
  return `${err}${lines.join('\n').slice(0, 3000)}`;
}
const short = ({ src, dst, protocol, port, observed, agrees }: Flow): string =>
  `${src} → ${dst} ${protocol} ${port} ${observed} ${agrees}`;

describe.skipIf(why !== null)('a lab', () => {
  beforeAll(() => {
    flowsFolder = folderOf({ 'flows.json': JSON.stringify(FLOWS) });
    folder = folderOf({
      'pods.yaml': PODS,
      'policies.yaml': POLICIES,
    });
  });
  afterAll(() => {
    remove(folder);
    remove(flowsFolder);
  });

  it('agrees with the engine on all pairs, and says what it could not ask', async () => {
    const ran = await rampart('lab', 'run', '-f', folder, '--name', name, '-o', 'json');
    expect(ran.code, brief(ran)).toBe(0);
    const { kind, flows, skipped } = report(ran);
    expect(kind).toBe('ProbeReport');
    const between = flows.filter(({ src, dst }) => src.startsWith('shop/') && dst.startsWith('shop/'));
    expect(between.map(short).sort()).toEqual([
      'shop/api → shop/db TCP 5432 allowed true',
      'shop/api → shop/db UDP 9000 denied true',
      'shop/api → shop/web TCP 80 allowed true',
      'shop/api → shop/web UDP 53 allowed true',
      'shop/db → shop/api TCP 8080 denied true',
      'shop/db → shop/web TCP 80 denied true',
      'shop/db → shop/web UDP 53 denied true',
      'shop/web → shop/api TCP 8080 allowed true',
      'shop/web → shop/db TCP 5432 denied true',
      'shop/web → shop/db UDP 9000 denied true',
    ]);
    const outside = flows.filter(({ src }) => /^198\.51\.100\./.test(src)).filter(({ dst }) => dst === 'shop/db');
    expect(new Set(outside.map(({ observed }) => observed))).toEqual(new Set(['allowed', 'denied']));
    expect(skipped.filter(({ what }) => what === 'SCTP').map(({ flows: many }) => many)).toEqual([expect.any(Number)]);
    expect(existsSync(labFolder(name, process.env))).toBe(false);
  });

  it.each(['drop', 'reject'])('agrees with verdicts made by hand where denied packets meet %s', async (deny) => {
    const flows = join(flowsFolder, 'flows.json');
    const ran = await rampart(
      'lab',
      'run',
      '-f',
      folder,
      '--name',
      name,
      '--flows',
      flows,
      '--deny',
      deny,
      '-o',
      'json',
    );
    expect(ran.code, brief(ran)).toBe(0);
    const seen = report(ran).flows;
    expect(seen.map(({ verdict, observed, agrees }) => [verdict, observed, agrees])).toEqual(
      FLOWS.map(({ want }) => [want, want, true]),
    );
    expect(seen.map(({ unverifiable }) => unverifiable)).toEqual(FLOWS.map(() => undefined));
  });

  it('disagrees where nobody enforces, exits with 2, and tells why it should be denied', async () => {
    const flows = join(flowsFolder, 'flows.json');
    const common = ['lab', 'run', '-f', folder, '--name', name, '--flows', flows, '--no-agents'];
    const ran = await rampart(...common, '-o', 'junit');
    expect(ran.code, brief(ran)).toBe(2);
    const denied = FLOWS.filter(({ want }) => want === 'denied').length;
    expect(ran.out).toContain(`<testsuites name="rampart" tests="${FLOWS.length}" failures="${denied}"`);
    expect(ran.out).toContain('ingress denied by NetworkPolicy/shop/db');
  });

  it('counts what cannot be compared apart, and fails for a question that means nothing', async () => {
    const odd = [
      { src: 'shop/api', dst: 'shop/db', protocol: 'ICMP' },
      { src: 'shop/api', dst: 'shop/db', protocol: 'SCTP', port: 7000 },
      { src: 'shop/nobody', dst: 'shop/db', protocol: 'TCP', port: 5432 },
      FLOWS[0],
    ];
    const more = folderOf({ 'odd.json': JSON.stringify(odd) });
    try {
      const flows = join(more, 'odd.json');
      const ran = await rampart('lab', 'run', '-f', folder, '--name', name, '--flows', flows, '-o', 'json');
      expect(ran.code, brief(ran)).toBe(1);
      const seen = report(ran).flows.map(({ observed, agrees, unverifiable }) => [observed, agrees, unverifiable]);
      expect(seen).toEqual([
        ['error', true, 'ICMP is not probed'],
        ['error', true, expect.stringContaining('SCTP')],
        ['error', true, 'there is no pod or workload `nobody` in namespace `shop`'],
        ['allowed', true, undefined],
      ]);
    } finally {
      remove(more);
    }
  });

  it('is asked about one pair', async () => {
    const pair = ['--from', 'shop/api', '--to', 'shop/db', '--port', '5432'];
    const ran = await rampart('lab', 'run', '-f', folder, '--name', name, ...pair, '-o', 'json');
    expect(ran.code, brief(ran)).toBe(0);
    expect(report(ran).flows.map(short)).toEqual(['shop/api → shop/db TCP 5432 allowed true']);
  });

  it('is down after Ctrl-C', async () => {
    const { child, ran } = start('lab', 'run', '-f', folder, '--name', name);
    for (let i = 0; i < 200 && !existsSync(join(labFolder(name, process.env), 'control.sock')); i++) await sleep(50);
    expect(existsSync(labFolder(name, process.env))).toBe(true);
    child.kill('SIGINT');
    const { code, err } = await ran;
    expect([code, err]).toEqual([1, expect.stringContaining('interrupted')]);
    expect(existsSync(labFolder(name, process.env))).toBe(false);
  });

  describe('that is up', () => {
    let session: LabSession | null = null;
    const lab = (): LabSession => {
      if (session === null) throw new Error('no lab');
      return session;
    };
    beforeAll(async () => {
      const ran = await rampart('lab', 'up', '-f', folder, '--name', name);
      expect(ran.code, brief(ran)).toBe(0);
      session = await connectLab(name);
    });
    afterAll(async () => {
      session?.close();
      await rampart('lab', 'down', '--name', name);
    });

    const pair = ['--from', 'shop/api', '--to', 'shop/db', '--port', '5432', '-o', 'json'];

    it('is probed as it is now', async () => {
      const ran = await rampart('probe', '--lab', name, ...pair);
      expect(ran.code, brief(ran)).toBe(0);
      expect(report(ran).flows.map(short)).toEqual(['shop/api → shop/db TCP 5432 allowed true']);
    });

    it('asks about the ports of a workload, and fails where there is nothing to ask', async () => {
      const many = folderOf({
        'many.yaml': `apiVersion: apps/v1
kind: Deployment
metadata: {name: many, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: many}}
  template:
    metadata: {labels: {app: many}}
    spec: {containers: [{name: c, image: x, ports: [{containerPort: 8081}]}]}
`,
      });
      try {
        expect(await rampart('lab', 'apply', '-f', many, '--name', name)).toMatchObject({ code: 0 });
        const ran = await rampart('probe', '--lab', name, '--from', 'shop/api', '--to', 'shop/many', '-o', 'json');
        expect(report(ran).flows.map(short)).toEqual(['shop/api → shop/many TCP 8081 allowed true']);
        expect(await rampart('lab', 'delete', '-f', many, '--name', name)).toMatchObject({ code: 0 });
      } finally {
        remove(many);
      }
      const nowhere = await rampart('probe', '--lab', name, '-n', 'shoop');
      expect(nowhere).toMatchObject({ code: 1, out: '' });
      expect(nowhere.err).toContain('there is no pod in the namespace `shoop`\n  help: did you mean `shop`?');
    });

    it('shows the way of a packet through the tables where it disagrees', async () => {
      const spoiler = `table inet spoiler {
 chain forward {
  type filter hook forward priority 10;
  tcp dport 5432 drop
 }
}
`;
      expect(await lab().exec('node:n2', ['nft', '-f', '-'], { input: spoiler })).toMatchObject({ code: 0 });
      const ran = await rampart('probe', '--lab', name, ...pair);
      expect((await lab().exec('node:n2', ['nft', 'delete', 'table', 'inet', 'spoiler'])).code).toBe(0);
      expect(ran.code, brief(ran)).toBe(2);
      const [flow] = report(ran).flows;
      expect(flow).toMatchObject({ verdict: 'allowed', observed: 'denied', agrees: false });
      const trace = flow?.trace ?? [];
      // Rampart's own table let it through on both nodes; somebody else's dropped it on the second.
      expect(trace.filter((line) => line.startsWith('n1: ')).join('\n')).toContain('forward policy accept');
      expect(trace.filter((line) => line.startsWith('n2: dropped by table inet spoiler')).join('\n')).toContain(
        'tcp dport 5432 drop',
      );
      expect(trace.join('\n')).not.toMatch(/rampart_trace/);
      for (const node of ['node:n1', 'node:n2']) {
        const { stdout } = await lab().exec(node, ['nft', 'list', 'tables']);
        expect(stdout.toString()).not.toContain('rampart_trace');
      }
    });
  });
});
