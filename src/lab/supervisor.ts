import { mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { IoError, reasonOf } from '../io/io-error.ts';
import { coverRun, makeBox } from './box/box.ts';
import { type ControlHandlers, serveControl } from './control.ts';
import { type LabSetup, readSetup } from './state-folder.ts';
import type { LabStatus } from './status.ts';
import { type Agent, startAgent } from './supervisor-agents.ts';
import { type ControlPlane, ownControlPlane } from './supervisor-control-plane.ts';
import { recordDenials } from './supervisor-denials.ts';
import { realControlPlane } from './supervisor-real-plane.ts';

/** The file that node runs as the first process of a box: `node FILE FOLDER`. */
export const SUPERVISOR_PROGRAM: string = fileURLToPath(import.meta.url);

/** A real API server takes its time to forget pods. */
const LEAVE_MS = 30_000;
const AGENT_READY_MS = 60_000;
const AGENT_ASK_MS = 50;
const TALK_MS = 50;
const QUIET_MS = 400;

async function main(folder: string): Promise<void> {
  const setup = readSetup(folder);
  if (setup === null) throw new Error(`no setup in ${folder}`);
  const say = (line: string): void => {
    process.stdout.write(`${new Date().toISOString()} ${line}\n`);
  };
  // As first process of its namespace it gets no signal that it does not take.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(0));
  process.on('SIGHUP', () => undefined);
  let leave = async (): Promise<void> => undefined;
  if (setup.lifetime === 'caller') {
    // Whoever brought it up has ended, perhaps without a word: what was made elsewhere goes, then all the rest.
    process.stdin
      .on('end', () => {
        const late = sleep(LEAVE_MS, undefined, { ref: false });
        Promise.race([leave(), late])
          .catch(() => undefined)
          .finally(() => process.exit(0));
      })
      .resume();
  }

  const listeners = new Set<(line: string) => void>();
  const progress = (line: string): void => {
    say(line);
    for (const listener of listeners) listener(line);
  };
  const lab = await start(folder, setup, progress);
  leave = lab.stop;
  const handlers: ControlHandlers = {
    ready: async (_, tell) => {
      listeners.add(tell);
      try {
        await lab.ready;
        return null;
      } finally {
        listeners.delete(tell);
      }
    },
    status: () => lab.status(),
    attempt: async ({ actor, attempts, parallel }) => {
      const { process: program, detail } = lab.actor(actor);
      if (program === null) throw new IoError('unreachable', `\`${actor}\` does not run: ${detail}`);
      return program.attempt(attempts, parallel);
    },
    where: async ({ actor }) => {
      const { process: program, detail } = lab.actor(actor);
      if (program === null) throw new IoError('unreachable', `\`${actor}\` does not run: ${detail}`);
      return program.pid;
    },
    settled: async ({ timeoutMs }) => {
      await lab.settled(timeoutMs);
      return null;
    },
    down: async () => {
      await lab.stop();
      setImmediate(() => process.exit(0));
      return null;
    },
  };
  await serveControl(`${folder}/control.sock`, handlers);
  lab.ready.catch((error: unknown) => {
    say(`failed: ${reasonOf(error)}`);
    // Whoever asked is told first.
    setTimeout(() => process.exit(1), 500);
  });
}

interface Lab {
  readonly ready: Promise<void>;
  actor(id: string): { readonly process: import('./pod/process.ts').PodProcess | null; readonly detail: string };
  status(): Promise<LabStatus>;
  settled(timeoutMs: number): Promise<void>;
  stop(): Promise<void>;
}

async function start(folder: string, setup: LabSetup, progress: (line: string) => void): Promise<Lab> {
  const { plan } = setup;
  await coverRun(folder);
  const { POD_PROGRAM } = await import('./pod.ts');
  const box = makeBox({
    plan,
    cni: setup.cni,
    deny: setup.deny,
    folder: '/run/lab',
    podProgram: POD_PROGRAM,
    log: progress,
  });
  const agents = new Map<string, Agent>();
  let unrecorded: () => string | null = () => null;
  let plane: ControlPlane | null = null;
  let coming: Promise<ControlPlane> | null = null;
  let isStopped = false;

  const build = async (): Promise<void> => {
    progress(`making ${count(plan.nodes.length, 'node')}`);
    await box.build();
    const socket = `${folder}/api.sock`;
    if (isStopped) throw new IoError('interrupted', 'interrupted');
    coming = (setup.apiserver === null ? ownControlPlane : realControlPlane)(setup, socket, progress);
    plane = await coming;
    if (setup.agents) {
      const netns = new Map(plan.nodes.map(({ name }) => [name, box.netnsOf(name) ?? '']));
      unrecorded = recordDenials(netns, `${folder}/denied.log`, progress);
      mkdirSync(`${folder}/agents`, { recursive: true });
      for (const [i, node] of plan.nodes.entries()) {
        const agent = startAgent({
          node: node.name,
          netns: box.netnsOf(node.name) ?? '',
          server: plane.server,
          deny: setup.deny,
          // Paths of sockets are short, names of nodes need not be.
          socket: `${folder}/agents/${i}.sock`,
          logFile: `${folder}/agents/${node.name}.log`,
          log: progress,
        });
        agents.set(node.name, agent);
      }
    }
    progress(`starting ${count(plan.pods.length, 'pod')}`);
    if (plane.seeded) {
      await box.addPods(plan.pods);
      await box.setServices(plan.services, plan.dns);
    }
    await plane.follow(box);
    if (setup.agents) {
      progress(`waiting for ${count(agents.size, 'agent')}`);
      await agentsReady(AGENT_READY_MS);
      // Agents that were ready before the manifests were put in have yet to hear of them.
      if (!plane.seeded) await settled(AGENT_READY_MS);
    }
  };

  const agentsReady = async (timeoutMs: number): Promise<void> => {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const states = await Promise.all(
        [...agents.values()].map(async (agent) => ({ agent, ready: await agent.refresh() })),
      );
      const missing = states.filter(({ ready }) => !ready);
      if (missing.length === 0) return;
      const hopeless = missing.find(({ agent }) => agent.state().restarts >= 5);
      if (performance.now() > deadline || hopeless !== undefined) {
        const [first] = hopeless === undefined ? missing : [hopeless];
        throw new IoError(
          'timeout',
          `the agent of \`${first?.agent.node}\` is not ready: ${first?.agent.state().detail}`,
          {
            help: `its log is in \`${folder}/agents\``,
          },
        );
      }
      await sleep(AGENT_ASK_MS);
    }
  };

  const settled = async (timeoutMs: number): Promise<void> => {
    const deadline = performance.now() + timeoutMs;
    const talkative = plane?.talkative === true;
    await plane?.idle();
    let asked = Date.now();
    let before: string | null = null;
    while (agents.size > 0) {
      const seen = await Promise.all([...agents.values()].map((agent) => agent.progress()));
      const isBusy = seen.some((one) => one === null || one.pending);
      // What was said before we asked has been heard by whoever has heard something since, but for what lies between the
      // two in a queue; hence twice, with nothing new in between. Where the server does not speak all the time, one can
      // only wait until nothing comes any more.
      const isFresh = !talkative || seen.every((one) => (one?.heardMs ?? 0) >= asked);
      if (!isBusy && isFresh) {
        const heard = JSON.stringify(seen.map((one) => one?.heard ?? null));
        if (heard === before) return;
        before = heard;
        asked = Date.now();
      }
      if (performance.now() > deadline) {
        const waiting = [...agents.values()].find((_, i) => seen[i]?.pending !== false) ?? [...agents.values()][0];
        throw new IoError('timeout', `the agent of \`${waiting?.node ?? ''}\` has not settled`, {
          help: `its log is in \`${folder}/agents\``,
        });
      }
      await sleep(talkative ? TALK_MS : QUIET_MS);
    }
  };

  /** What was made outside of the box goes first: whoever waits ends the box when told of the failure. */
  const buildOrUndo = async (): Promise<void> => {
    try {
      await build();
    } catch (error) {
      await plane?.stop();
      throw error;
    }
  };

  return {
    ready: buildOrUndo(),
    actor: (id) => {
      const actor = box.actors.get(id);
      if (actor === undefined) {
        throw new IoError('not-found', `the lab has no \`${id}\``, { help: 'see `rampart lab status`' });
      }
      return actor;
    },
    status: async () => {
      await Promise.all([...agents.values()].map((agent) => agent.refresh()));
      return {
        name: setup.name,
        folder,
        pid: 0,
        since: setup.since,
        cni: setup.cni,
        deny: setup.deny,
        apiserver: setup.apiserver ?? 'embedded',
        nodes: plan.nodes.map(({ name, addresses, podCidrs }) => ({
          name,
          addresses,
          podCidrs,
          agent: agents.get(name)?.state() ?? { state: 'none' as const, detail: '', restarts: 0 },
        })),
        pods: box.pods().map(({ pod, state, detail, silent }) => ({
          id: pod.id,
          workload: pod.workload.name,
          node: pod.node,
          addresses: pod.addresses,
          hostNetwork: pod.hostNetwork,
          state,
          detail,
          listening: pod.listeners.filter(
            (listener) =>
              !silent.some(({ protocol, port }) => protocol === listener.protocol && port === listener.port),
          ),
          silent,
        })),
        outside: plan.outside.map(({ address }) => address),
        unrecorded: unrecorded(),
      };
    },
    settled,
    stop: async () => {
      isStopped = true;
      // It may be on its way, with half of its nodes registered.
      await (await coming?.catch(() => null))?.stop();
      for (const agent of agents.values()) agent.stop();
    },
  };
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

if (process.argv[1] === SUPERVISOR_PROGRAM) {
  try {
    await main(process.argv[2] ?? '');
  } catch (error) {
    process.stderr.write(
      `${error instanceof IoError ? error.message : String(error instanceof Error ? error.stack : error)}\n`,
    );
    process.exit(1);
  }
}
