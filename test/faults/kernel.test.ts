import { chmodSync, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { findProgram } from '../../src/lab/box/programs.ts';
import type { JsonObject } from '../../src/manifest/object.ts';
import { type AgentChoices, type AgentProcess, startAgent } from './agent-process.ts';
import { type Cluster, guard, makeCluster, remotePods, tableOf, untilRight } from './cluster.ts';
import { figures } from './figures.ts';
import { makePlace, missingPlace, type Place, type PlacePod, pause, type Traffic, underLoad, until } from './place.ts';
import { CONNECT_PORT, type Protocol, type StreamReport } from './pod-protocol.ts';

const NAMES = ['server', 'friend', 'foe', 'other'];
const EAGER = ['--canary-interval', '500ms', '--verify-interval', '1s'];
const LIGHT = { tcpPerSecond: 300, udpPerSecond: 1200 };

describe.skipIf(missingPlace() !== null)(
  'what happens to the table, to nft and to the machine',
  { timeout: 120_000 },
  () => {
    let place: Place;
    let cluster: Cluster;
    let agent: AgentProcess;

    afterEach(async () => {
      await agent?.kill('SIGKILL');
      await cluster?.close();
      await place?.close();
    });

    async function begin(choices: (folder: string) => Partial<AgentChoices> = () => ({})): Promise<void> {
      place = await makePlace(NAMES);
      cluster = await makeCluster(place, NAMES);
      agent = startAgent(place, { server: cluster.server, ...choices(place.folder) });
      await agent.ready();
      await untilRight(place, cluster);
    }

    const tried = (from: string, to = 'server', port = CONNECT_PORT, protocol: Protocol = 'tcp'): Promise<string> =>
      place.pod(from).ask({ kind: 'try', protocol, target: place.pod(to).address, port, timeoutMs: 150 });

    const expectClean = (traffic: Traffic): void => expect(traffic).toMatchObject({ openedWrongly: 0, cutWrongly: 0 });

    test.each([
      ['the whole table deleted', (p: Place) => p.run(['nft', 'delete', 'table', 'inet', 'rampart']), 'opens'],
      [
        'a rule put first that accepts everything',
        (p: Place) => p.run(['nft', 'insert', 'rule', 'inet', 'rampart', 'forward', 'accept']),
        'opens',
      ],
      ['the dispatch to pods flushed', (p: Place) => flush(p, 'in4'), 'opens'],
      ['the identities of peers flushed', (p: Place) => flush(p, 'id4'), 'closes'],
    ] as const)('%s by a third party is repaired, and what came in meanwhile is cut', async (what, edit, effect) => {
      await begin(() => ({ flags: EAGER }));
      place.run(['nft', '-f', '-'], THEIRS);
      const [server, friend, foe] = [place.pod('server'), place.pod('friend'), place.pod('foe')];
      await friend.ask({ kind: 'stream', name: 'old', protocol: 'tcp', target: server.address, everyMs: 4 });
      await pause(200);
      const begun = performance.now();
      edit(place);
      const intruding = effect === 'opens' && (await intrude(foe, server.address));
      await until(
        'it is repaired',
        async () => ((await tried('foe')) === 'silent' && (await tried('friend')) === 'open' ? true : null),
        40_000,
      );
      const ms = Math.round(performance.now() - begun);
      await untilRight(place, cluster);
      await pause(500);
      const [intruder] = await foe.ask<readonly StreamReport[]>({ kind: 'streams' });
      await pause(300);
      const [later] = await foe.ask<readonly StreamReport[]>({ kind: 'streams' });
      const [old] = await friend.ask<readonly StreamReport[]>({ kind: 'streams' });
      figures(`third party: ${what}`, { effect, repairedAfterMs: ms, intruding, old });
      if (effect === 'opens') expect(intruding).toBe(true);
      // Whoever came in through the gap is out again; who was in all the time never noticed, unless the edit itself cut him.
      if (intruding) expect(later?.echoed).toBe(intruder?.echoed);
      expect(old).toMatchObject({ ended: null, missing: 0 });
      expect(agent.said('the table is not as it was left')).toBe(true);
      expect(await agent.metric('rampart_agent_drift_repairs_total')).toBeGreaterThan(0);
      expect(place.run(['nft', 'list', 'tables'])).toContain('table ip theirs');
    });

    /** Whether a live connection could be had where none may be. */
    async function intrude(foe: PlacePod, target: string): Promise<boolean> {
      try {
        await Promise.race([
          foe.ask({ kind: 'stream', name: 'intruder', protocol: 'tcp', target, everyMs: 4 }),
          pause(800).then(() => Promise.reject(new Error('silent'))),
        ]);
        return true;
      } catch {
        return false;
      }
    }

    /** A program in the place of nft that does as the file `mode` says. */
    function wrapped(folder: string): Partial<AgentChoices> {
      const real = findProgram('nft', process.env) ?? 'nft';
      const path = join(folder, 'nft');
      writeFileSync(
        path,
        `#!/bin/sh
here=${folder}
case $(cat $here/mode) in
  segfault) kill -SEGV $$ ;;
  late-segfault) ${real} "$@"; kill -SEGV $$ ;;
  slow) sleep 2 ;;
  hang) exec sleep 30 ;;
  nonsense) case " $* " in *' list '*) head -c 4096 /dev/urandom; exit 0; esac ;;
  memory) echo 'Error: Could not process rule: Cannot allocate memory' >&2; exit 1 ;;
  refuse)
    case " $* " in *' -f '*)
      cat > $here/text.$$
      if grep -q -- "$(cat $here/pattern)" $here/text.$$; then
        rm $here/text.$$
        echo 'Error: Could not process rule: Operation not supported' >&2
        exit 1
      fi
      ${real} "$@" < $here/text.$$
      code=$?
      rm $here/text.$$
      exit $code
    esac ;;
esac
exec ${real} "$@"
`,
      );
      chmodSync(path, 0o755);
      writeFileSync(join(folder, 'mode'), 'fine');
      return { flags: ['--nft', path, '--nft-timeout', '1s', ...EAGER] };
    }

    const mode = (word: string): void => {
      // At once: a shell never reads half of it.
      writeFileSync(join(place.folder, 'mode.next'), word);
      renameSync(join(place.folder, 'mode.next'), join(place.folder, 'mode'));
    };

    test('nft that is missing, crashes, hangs, is slow or talks nonsense changes nothing, and is caught up with', async () => {
      await begin(wrapped);
      const path = join(place.folder, 'nft');
      const healed: Record<string, number> = {};
      let round = 0;
      const traffic = await underLoad(place, LIGHT, async () => {
        for (const word of ['missing', 'segfault', 'late-segfault', 'slow', 'hang', 'nonsense', 'memory']) {
          if (word === 'missing') renameSync(path, `${path}.away`);
          else mode(word);
          // Additions and removals, among them some that let others in and out elsewhere.
          cluster.put(...remotePods(5, round));
          cluster.put(admission(round % 2 === 0 ? 'foe' : 'nobody'));
          round++;
          await pause(word === 'slow' || word === 'hang' ? 1700 : 600);
          if (word === 'missing') renameSync(`${path}.away`, path);
          mode('fine');
          healed[word] = Math.round(await untilRight(place, cluster, 40_000));
        }
      });
      figures('nft out of order', { healedAfterMs: healed, ...traffic });
      expectClean(traffic);
      for (const text of ['cannot be run', 'SIGSEGV', 'took longer than 1 s', 'Cannot allocate memory']) {
        expect(agent.log.map(({ msg }) => msg).join('\n')).toContain(text);
      }
    });

    test('a policy that the kernel refuses closes the pods that it selects, and no other; later it is healed', async () => {
      await begin(wrapped);
      cluster.put(admission('friend', 7000));
      await untilRight(place, cluster);
      // Nobody listens there: what is allowed is refused by the pod itself.
      expect(await tried('friend', 'other', 7000)).toBe('refused');
      writeFileSync(join(place.folder, 'pattern'), '7777');
      mode('refuse');
      let closedAfter = 0;
      let healedAfter = 0;
      const traffic = await underLoad(place, LIGHT, async () => {
        const begun = performance.now();
        cluster.put(admission('friend', 7777));
        await until('the policy is refused', async () =>
          (await agent.metric('rampart_agent_policies_failed')) === 1 ? true : null,
        );
        closedAfter = Math.round(performance.now() - begun);
        expect(await tried('friend', 'other', 7777)).toBe('silent');
        expect(await tried('friend', 'other', 7000)).toBe('silent');
        // Others are served meanwhile.
        cluster.put(guard('other', 'more'));
        await until('a later change is in the kernel', async () => ((await tried('other')) === 'open' ? true : null));
        cluster.remove(guard('other', 'more'));
        await until('and out of it again', async () => ((await tried('other')) === 'silent' ? true : null));
        expect(await agent.metric('rampart_agent_policies_failed')).toBe(1);
        const again = performance.now();
        cluster.put(admission('friend', 7778));
        await until('it is healed', async () => ((await tried('friend', 'other', 7778)) === 'refused' ? true : null));
        healedAfter = Math.round(performance.now() - again);
        expect(await agent.metric('rampart_agent_policies_failed')).toBe(0);
      });
      figures('one policy refused', { closedAfterMs: closedAfter, healedAfterMs: healedAfter, ...traffic });
      expectClean(traffic);
      const events = cluster.api.store.list('events', null).map((event) => `${event.reason} ${String(event.message)}`);
      expect(events.join('\n')).toMatch(/EnforcementFailed node n1: the kernel does not take this policy/);
      await untilRight(place, cluster);
    });

    test('a disk that is full, for logs and for everything else, stops neither the table nor the agent', async () => {
      await begin(fullDisk);
      writeFileSync(join(place.folder, 'fill'), '');
      await until('the disk is full', () => (existsSync(join(place.folder, 'filled')) ? true : null));
      const traffic = await underLoad(place, LIGHT, async () => {
        cluster.put(admission('foe'), ...remotePods(20));
        await until('it is said', async () =>
          (await agent.metric('rampart_agent_syncs_total', 'failed')) > 0 ? true : null,
        );
        expect((await agent.ask('/livez'))?.status).toBe(200);
        await pause(300);
        place.run(['rm', '-f', `/proc/${agent.pid}/root${place.folder}/full/ballast`]);
      });
      const ms = Math.round(await untilRight(place, cluster, 40_000));
      figures('disk full', { caughtUpAfterMs: ms, ...traffic });
      expectClean(traffic);
    });

    /** All places for transactions, and the log, are on one small file system, which is full. */
    function fullDisk(folder: string): Partial<AgentChoices> {
      const full = join(folder, 'full');
      mkdirSync(full);
      const script = `
      mount -t tmpfs -o size=64k none ${full}; mkdir ${full}/shm ${full}/run
      mount --bind ${full}/shm /dev/shm; mount --bind ${full}/run /run
      (i=0; while [ ! -e ${folder}/fill ] && [ $i -lt 1200 ]; do sleep 0.05; i=$((i+1)); done; cat /dev/zero > ${full}/ballast || touch ${folder}/filled) > /dev/null 2>&1 &
      exec "$@" > ${full}/log`;
      return { wrap: ['unshare', '-m', 'sh', '-ec', script, 'sh'], env: { TMPDIR: full } };
    }

    test('jumps of the wall clock and a long standstill are not noticed', async () => {
      const jump = `const real = Date.now; let by = 0;
      Date.now = () => real() + by;
      process.on('SIGUSR2', () => { by = by > 0 ? -31536e6 : 31536e6; console.error('jumped by ' + by); });`;
      await begin(() => ({
        env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(jump)}` },
        flags: EAGER,
      }));
      const caught: number[] = [];
      const traffic = await underLoad(place, LIGHT, async () => {
        for (let round = 0; round < 4; round++) {
          process.kill(agent.pid, 'SIGUSR2');
          await until('the clock has jumped', () => (agent.errors().split('jumped').length > round + 1 ? true : null));
          cluster.put(...remotePods(5, round), admission(round % 2 === 0 ? 'foe' : 'nobody'));
          caught.push(Math.round(await untilRight(place, cluster)));
          expect((await agent.ask('/readyz'))?.status).toBe(200);
        }
        process.kill(agent.pid, 'SIGSTOP');
        cluster.put(...remotePods(5, 9), admission('foe'));
        await pause(2500);
        process.kill(agent.pid, 'SIGCONT');
        caught.push(Math.round(await untilRight(place, cluster)));
      });
      figures('clock jumps by a year, forth and back; then 2.5 s of standstill', {
        caughtUpAfterMs: caught,
        ...traffic,
      });
      expectClean(traffic);
      expect(agent.log.filter(({ level }) => level === 'error' || level === 'warn')).toEqual([]);
    });
  },
);

/**
 * Has the kernel track connections without our table too, as kube-proxy has it on every node. Otherwise a connection of which
 * the kernel knows nothing would be judged by whichever side speaks first.
 */
const THEIRS = `table ip theirs {
  chain forward { type filter hook forward priority 10; ct state established counter; }
}
`;

function flush(place: Place, set: string): void {
  const kind = tableOf(place)?.sets.get(set)?.declaration.kind;
  if (kind === undefined) throw new Error(`the table has no ${set}`);
  place.run(['nft', 'flush', kind, 'inet', 'rampart', set]);
}

/** About `other` alone. */
function admission(app: string, port: number = CONNECT_PORT): JsonObject {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'admission', namespace: 'a' },
    spec: {
      podSelector: { matchLabels: { app: 'other' } },
      policyTypes: ['Ingress'],
      ingress: [{ from: [{ podSelector: { matchLabels: { app } } }], ports: [{ protocol: 'TCP', port }] }],
    },
  };
}
