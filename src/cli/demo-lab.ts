import { type Input, readPaths } from '../io/files.ts';
import { IoError } from '../io/io-error.ts';
import { openClient } from '../io/kube-client.ts';
import { progressLine } from '../io/terminal.ts';
import { applyObjects } from '../lab/change.ts';
import { planLab } from '../lab/model-plan.ts';
import { downLab, type LabSession, upLab } from '../lab/session.ts';
import type { LabPodStatus } from '../lab/status.ts';
import type { Reason } from '../model/verdict.ts';
import { type Paint, painter } from '../report/formats/text/paint.ts';
import { wrap } from '../report/formats/text/table.ts';
import type { Explanation } from '../report/report.ts';
import { explanationOf } from './commands/explain.ts';
import { excerpt, mend, QUESTION, story } from './demo-words.ts';
import { fromManifests, type Loaded, understand } from './input-options.ts';
import { interruptible } from './probe-interruption.ts';
import type { Shell } from './shell.ts';

/** Connections of the example that show what there is to see. */
const SHOWN: readonly (readonly [string, string, number])[] = [
  ['ingress-nginx/controller', 'shop/frontend', 8080],
  ['shop/frontend', 'shop/api', 8080],
  ['shop/api', 'data/postgres', 5432],
  ['monitoring/prometheus', 'payments/gateway', 9102],
  ['shop/frontend', 'data/postgres', 5432],
  ['payments/gateway', 'shop/api', 8080],
];
/** The pods behind the Service of the question. */
const BEHIND = { workload: 'payments/gateway', port: 8080 } as const;
const PATIENCE_MS = 600;
const LONGEST_MS = 10_000;
const WIDTH = 100;

/** The tour with packets. Returns why it cannot be had; then nothing was written to stdout. */
export async function labTour(folder: string, colour: boolean, shell: Shell): Promise<IoError | null> {
  const paint = painter(colour);
  const stopping = interruptible(shell.signal);
  const progress = progressLine(shell.stderr);
  const name = `demo-${process.pid}`;
  try {
    const files = await readPaths([folder]);
    const loaded = understand(fromManifests(files));
    const begun = Date.now();
    let lab: LabSession;
    try {
      lab = await upLab(planLab(fromManifests(files).objects, {}), {
        name,
        lifetime: 'caller',
        env: shell.env,
        signal: stopping.signal,
        onProgress: (line) => progress.show(line),
      });
      await lab.settled();
    } catch (error) {
      if (!stopping.signal.aborted && error instanceof IoError) return error;
      throw error;
    }
    progress.clear();
    try {
      await show(lab, files, loaded, folder, (Date.now() - begun) / 1000, paint, shell);
    } finally {
      lab.close();
    }
    return null;
  } catch (error) {
    if (stopping.signal.aborted) throw new IoError('interrupted', 'interrupted; the lab is down', { cause: error });
    throw error;
  } finally {
    progress.clear();
    await downLab(name, { env: shell.env });
    stopping.release();
  }
}

async function show(
  lab: LabSession,
  files: readonly Input[],
  loaded: Loaded,
  folder: string,
  seconds: number,
  paint: Paint,
  { stdout }: Shell,
): Promise<void> {
  const { nodes, pods } = await lab.status();
  const policies = loaded.program.tiers.reduce((sum, tier) => sum + tier.policies.length, 0);
  const heading = (text: string): unknown => stdout.write(`\n${paint('heading', text)}\n\n`);
  const asked = (text: string): unknown => stdout.write(`${paint('dim', `$ ${text}`)}\n\n`);
  stdout.write(
    `${paint('strong', 'A shop')}: ${loaded.cluster.namespaces.size} namespaces, ${loaded.cluster.workloads.length} workloads, ${policies} policies, all in ${folder}\n` +
      `${paint('strong', 'its cluster')}: ${nodes.length} nodes and ${pods.length} pods, each a network namespace on this machine; on each node an agent that has put\n` +
      `the policies into the kernel. Up after ${seconds.toFixed(1)} s.\n`,
  );

  heading('1. Real connections');
  for (const [from, to, port] of SHOWN) {
    const sender = podOf(pods, from);
    const receiver = podOf(pods, to);
    if (sender === undefined || receiver === undefined) continue;
    const outcome = await connect(lab, sender, receiver, port);
    const told = explanationOf(loaded, from, `${to}:${port}`);
    stdout.write(lineOf(`${from} → ${to}:${port}`, outcome, told, paint));
  }

  heading('2. Customers cannot pay. Why?');
  const payer = podOf(pods, QUESTION.source);
  const gateway = podOf(pods, BEHIND.workload);
  const answer = explanationOf(loaded, QUESTION.source, QUESTION.destination);
  const denied = [answer.egress, answer.ingress].find((end) => end?.verdict === 'denied') ?? null;
  const nearMiss = denied?.reasons.find((reason) => reason.kind === 'near-miss') ?? null;
  if (payer !== undefined && gateway !== undefined) {
    const before = await connect(lab, payer, gateway, BEHIND.port);
    const what = before === 'allowed' ? 'is answered' : 'gets no answer';
    stdout.write(`A packet from ${payer.id} to ${gateway.id}, port ${BEHIND.port}, ${what}.\n\n`);
  }
  asked(`rampart explain ${QUESTION.source} ${QUESTION.destination} -f ${folder}`);
  for (const part of story(answer.verdict, denied?.reasons[0] ?? null, nearMiss, paint)) stdout.write(part);
  if (nearMiss?.origin !== null && nearMiss !== null) {
    stdout.write('\n');
    for (const part of excerpt(nearMiss.origin, files, paint)) stdout.write(part);
  }
  for (const fix of answer.fixes) stdout.write(`${paint('strong', 'fix')}: ${fix.text}\n`);
  stdout.write(
    "\nPolicies see the pod's port: the Service gateway listens on 8443 and leads to port 8080 of its pods.\n",
  );

  heading('3. Mend the line while it runs');
  const waited = await mendLive(lab, files, payer, gateway);
  asked('rampart lab apply -f the-mended-policies.yaml');
  stdout.write(
    waited === null
      ? `${paint('denied', 'still no answer')} after ${LONGEST_MS / 1000} s\n`
      : `${paint('allowed', 'connected')}  ${QUESTION.source} → ${BEHIND.workload}:${BEHIND.port}, ${waited} ms after the API server was told\n`,
  );
  heading('Next');
  stdout.write(
    [
      `  rampart lab run -f ${folder}                 every pair, every port: does the kernel do what the policies say?`,
      `  rampart lab up -f ${folder}                  keep it: \`lab exec\`, \`lab shell\`, \`lab logs -f\`, \`lab apply\`, \`lab down\``,
      `  rampart connectivity -f ${folder} -o html --out shop.html   a page with search, matrix and every "why"`,
      '  rampart connectivity                                            your own cluster, read-only',
      '  rampart --help',
      '',
    ].join('\n'),
  );
}

function podOf(pods: readonly LabPodStatus[], workload: string): LabPodStatus | undefined {
  const [namespace, name] = workload.split('/');
  return pods.find((pod) => pod.id.startsWith(`${namespace}/`) && pod.workload === name);
}

async function connect(
  lab: LabSession,
  from: LabPodStatus,
  to: LabPodStatus,
  port: number,
): Promise<'allowed' | 'denied' | 'error'> {
  const [host] = to.addresses;
  if (host === undefined) return 'error';
  const [outcome] = await lab.attempt(from.id, [{ protocol: 'TCP', host, port, timeoutMs: PATIENCE_MS }]);
  return outcome?.observed ?? 'error';
}

function lineOf(what: string, outcome: 'allowed' | 'denied' | 'error', told: Explanation, paint: Paint): string {
  const word = { allowed: '✓ connected', denied: '✗ no answer', error: '? unknown  ' }[outcome];
  const colour = outcome === 'allowed' ? 'allowed' : outcome === 'denied' ? 'denied' : 'undefined';
  const end = [told.egress, told.ingress].find((one) => one?.verdict === 'denied') ?? told.ingress ?? told.egress;
  const [reason] = end?.reasons ?? [];
  const why = reason === undefined ? [] : whyOf(reason, paint);
  return [`${paint(colour, word)}  ${what}`, ...why.map((line) => `             ${line}`), ''].join('\n');
}

function whyOf(reason: Reason, paint: Paint): readonly string[] {
  const source = reason.origin?.object.source ?? null;
  const at = source === null || reason.origin === null ? null : source.locate(reason.origin.field);
  const where = at === null ? [] : [paint('dim', `${source?.file}:${at.line}`)];
  return [...wrap(reason.text, WIDTH), ...where];
}

/** Changes the policy in the running cluster; how long it took until a packet got through, in milliseconds. */
async function mendLive(
  lab: LabSession,
  files: readonly Input[],
  from: LabPodStatus | undefined,
  to: LabPodStatus | undefined,
): Promise<number | null> {
  if (from === undefined || to === undefined) return null;
  const { objects } = fromManifests(mend(files));
  const policy = objects.filter(({ ref }) => ref.kind === 'NetworkPolicy' && ref.name === 'allow-checkout');
  const client = openClient(await lab.connection());
  try {
    await applyObjects(client, policy);
    const told = Date.now();
    const [host = ''] = to.addresses;
    while (Date.now() - told < LONGEST_MS) {
      const attempt = { protocol: 'TCP', host, port: BEHIND.port, timeoutMs: 40 } as const;
      const [outcome] = await lab.attempt(from.id, [attempt]);
      if (outcome?.observed === 'allowed') return Date.now() - told;
    }
    return null;
  } finally {
    client.close();
  }
}
