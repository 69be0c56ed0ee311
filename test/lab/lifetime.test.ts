import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { connectLab, downLab, upLab } from '../../src/lab/session.ts';
import { firstProcess, labFolder, livingProcess } from '../../src/lab/state-folder.ts';
import { asked, downAll, isThere, missingLab, newName, tcp } from './labs.ts';
import { smallPlan } from './small-plan.ts';

const why = missingLab();
if (why !== null) console.log(`skipped: lifetimes of labs (${why})`);
const isRoot = process.getuid?.() === 0;
const TOP = join(import.meta.dirname, '../..');
const PLAN = smallPlan();

/** What of this machine a lab could leave behind, apart from what other programs do meanwhile. */
function machine(): readonly string[] {
  const run = (command: string, ...args: readonly string[]): string =>
    spawnSync(command, args, { encoding: 'utf8' }).stdout;
  const lines = [
    ...run('ip', 'netns').split('\n'),
    ...run('ip', '-o', 'link')
      .split('\n')
      .map((line) => line.split(':')[1] ?? ''),
    ...run('cat', '/proc/self/mountinfo')
      .split('\n')
      .map((line) => line.split(' ')[4] ?? ''),
    ...(isRoot ? run('nft', 'list', 'tables').split('\n') : []),
    ...run('cat', '/proc/sys/net/ipv4/ip_forward', '/proc/sys/net/ipv6/conf/all/forwarding').split('\n'),
  ];
  return lines.filter((line) => /\b(fabric|port\d|node\d|pod\d|outside|lab)|rampart|^[01]$/.test(line)).sort();
}

/** The processes of a box: whoever is in the pid namespace of its first one. */
function inhabitants(first: number): readonly number[] {
  const of = (pid: number): string | null => {
    try {
      return readlinkSync(`/proc/${pid}/ns/pid`);
    } catch {
      return null;
    }
  };
  const box = of(first);
  const all = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number);
  return box === null ? [] : all.filter((pid) => of(pid) === box);
}

describe.skipIf(why !== null)('the lifetime of a lab', () => {
  afterEach(downAll);

  it('ends with nothing left: no process, link, mount, table or file', async () => {
    const before = machine();
    const name = newName();
    const lab = await upLab(PLAN, { name, agents: false });
    const first = firstProcess(lab.folder) ?? 0;
    const all = inhabitants(first);
    expect(all.length).toBeGreaterThan(PLAN.pods.length);
    expect(machine()).toEqual(before);
    lab.close();
    expect(await downLab(name)).toBe(true);
    expect(all.filter(isThere)).toEqual([]);
    expect(existsSync(lab.folder)).toBe(false);
    expect(machine()).toEqual(before);
    expect(await downLab(name)).toBe(false);
  });

  it.each(['first', 'outermost'] as const)('dies whole when its %s process is killed', async (which) => {
    const before = machine();
    const name = newName();
    const lab = await upLab(PLAN, { name, agents: false });
    const first = firstProcess(lab.folder) ?? 0;
    const all = inhabitants(first);
    expect(all.length).toBeGreaterThan(PLAN.pods.length);
    process.kill(which === 'first' ? first : (livingProcess(lab.folder)?.pid ?? 0), 'SIGKILL');
    await expect.poll(() => all.filter(isThere), { timeout: 10_000 }).toEqual([]);
    expect(machine()).toEqual(before);
    expect(existsSync(lab.folder)).toBe(true);
    await expect(connectLab(name)).rejects.toMatchObject({ code: 'not-found' });
    // What is left is a folder, which the next one takes.
    const next = await upLab(PLAN, { name, agents: false });
    expect(await asked(next, 'web/a', [tcp('10.30.2.7', 8080)])).toEqual(['allowed by web/c']);
    next.close();
  });

  it('ends with its caller where that is asked for, even when that is killed', async () => {
    const name = newName();
    const script = `
      import { upLab } from '${TOP}/src/lab/session.ts';
      import { smallPlan } from '${TOP}/test/lab/small-plan.ts';
      await upLab(smallPlan(), { name: '${name}', agents: false, lifetime: 'caller' });
      console.log('up');
      setInterval(() => {}, 1000);
    `;
    const caller = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const said = new Promise((resolve) => caller.stdout.once('data', resolve));
    expect(String(await said)).toBe('up\n');
    const all = inhabitants(firstProcess(labFolder(name, process.env)) ?? 0);
    expect(all.length).toBeGreaterThan(PLAN.pods.length);
    caller.kill('SIGKILL');
    await expect.poll(() => all.filter(isThere), { timeout: 10_000 }).toEqual([]);
  });

  it('is called off whole', async () => {
    const name = newName();
    const off = new AbortController();
    const lines: string[] = [];
    const coming = upLab(PLAN, {
      name,
      agents: false,
      signal: off.signal,
      onProgress: (line) => {
        lines.push(line);
        off.abort();
      },
    });
    await expect(coming).rejects.toMatchObject({ code: 'interrupted' });
    expect(lines.length).toBeGreaterThan(0);
    expect(existsSync(labFolder(name, process.env))).toBe(false);
  });

  it('leaves room for others, with the same names and addresses', async () => {
    const [one, other] = [newName(), newName()];
    const labs = await Promise.all([one, other].map((name) => upLab(PLAN, { name, agents: false })));
    for (const lab of labs) {
      expect(await asked(lab, 'web/a', [tcp('10.30.2.7', 8080)])).toEqual(['allowed by web/c']);
    }
    await expect(upLab(PLAN, { name: one, agents: false })).rejects.toMatchObject({
      message: expect.stringContaining('is up already'),
    });
    await downLab(one);
    const [, second] = labs;
    if (second === undefined) throw new Error('two labs were made');
    expect(await asked(second, 'web/c', [tcp('10.30.1.5', 80)])).toEqual(['allowed by web/a']);
    for (const lab of labs) lab.close();
  });

  it('says why a plan cannot be built, and leaves nothing', async () => {
    const name = newName();
    const [first] = PLAN.nodes;
    if (first === undefined) throw new Error('the plan has nodes');
    const twice = { ...PLAN, nodes: [{ ...first, addresses: ['no-address'] }, ...PLAN.nodes.slice(1)] };
    await expect(upLab(twice, { name, agents: false })).rejects.toMatchObject({
      code: 'tool-failed',
      message: expect.stringContaining('no-address'),
    });
    expect(existsSync(labFolder(name, process.env))).toBe(false);
  });

  it('names the programs that are missing, with the command that installs them', async () => {
    const empty = mkdtempSync(join(tmpdir(), 'rampart-path-'));
    try {
      // Folders of the system are looked into as well, whatever the PATH says; hence a root without them.
      const script = `
        import { requirePrograms } from '${TOP}/src/lab/box/programs.ts';
        try { requirePrograms({ PATH: '' }); console.log('all there'); } catch (error) { console.log(error.message + '|' + error.help); }
      `;
      const { stdout } = spawnSync(
        'unshare',
        [
          ...(isRoot ? [] : ['--user', '--map-root-user']),
          '--mount',
          'sh',
          '-c',
          `mount --bind ${empty} /usr/sbin && exec "$@"`,
          'sh',
          process.execPath,
          '--input-type=module-typescript',
          '-e',
          script,
        ],
        { encoding: 'utf8' },
      );
      expect(stdout).toMatch(/^a lab needs .*`nft`.* not installed\|run: (sudo )?apt-get install -y .*nftables/);
    } finally {
      rmSync(empty, { recursive: true });
    }
  });

  it.skipIf(!isRoot)('needs no root where the kernel lets users make namespaces', async () => {
    const user = ['--reuid=65534', '--regid=65534', '--clear-groups'];
    const able = spawnSync('setpriv', [...user, 'unshare', '--user', '--map-root-user', '--net', 'true']).status === 0;
    if (!able) {
      console.log('skipped: a lab without root (this kernel lets only root make namespaces)');
      return;
    }
    const home = mkdtempSync(join(tmpdir(), 'rampart-nobody-'));
    chmodSync(home, 0o777);
    try {
      const script = `
        import { downLab, upLab } from '${TOP}/src/lab/session.ts';
        import { smallPlan } from '${TOP}/test/lab/small-plan.ts';
        const lab = await upLab(smallPlan(), { agents: false });
        const attempts = [['10.30.1.6', 80], ['fd30:2::7', 8080], ['10.96.0.1', 80], ['203.0.113.7', 443]];
        const seen = await lab.attempt('web/a', attempts.map(([host, port]) => ({ protocol: 'TCP', host, port, timeoutMs: 2500 })));
        const { stdout } = await lab.exec('node:left', ['nft', 'list', 'tables']);
        lab.close();
        await downLab();
        console.log(JSON.stringify({ uid: process.getuid(), folder: lab.folder, peers: seen.map(({ peer }) => peer), tables: stdout.toString() }));
      `;
      const { stdout, stderr } = spawnSync(
        'setpriv',
        [
          ...user,
          'env',
          `HOME=${home}`,
          `XDG_RUNTIME_DIR=${home}`,
          'PATH=/usr/bin:/bin',
          process.execPath,
          '--input-type=module-typescript',
          '-e',
          script,
        ],
        { encoding: 'utf8', timeout: 60_000 },
      );
      expect(stderr).toBe('');
      expect(JSON.parse(stdout)).toEqual({
        uid: 65_534,
        folder: `${home}/rampart/lab/default`,
        peers: ['web/b', 'web/c', 'web/c', 'outside'],
        tables: 'table inet lab-services\n',
      });
      expect(existsSync(`${home}/rampart/lab/default`)).toBe(false);
    } finally {
      rmSync(home, { recursive: true });
    }
  });
});
