import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatIp, parseIp } from '../../src/base/ip.ts';
import { CompiledProgram } from '../../src/engine/compiled/compile.ts';
import { verdict } from '../../src/engine/compiled/evaluate.ts';
import type { Cluster } from '../../src/model/cluster.ts';
import type { PolicyProgram } from '../../src/model/program.ts';
import type { Transaction } from '../../src/targets/nftables/desired.ts';
import { DEFAULT_LAYOUT } from '../../src/targets/nftables/layout.ts';
import { NodeCompiler } from '../../src/targets/nftables/node-compiler.ts';
import { firstPacket } from '../../src/targets/nftables/packet.ts';
import { simulatorOf } from '../../src/targets/nftables/simulate.ts';
import type { TableContent } from '../../src/targets/nftables/table.ts';
import { type Dice, dice } from '../manifest/mutations.ts';
import { clusters, OUTSIDE, PORTS } from '../properties/generators.ts';
import { type Edit, type Edited, edited, editOf } from '../properties/incremental.ts';
import { flowsOf, wordFlow } from '../properties/sampling.ts';
import { read } from '../properties/world.ts';
import { Enforced, placed } from './enforced.ts';

const RUNS = Number(process.env.RAMPART_PROPERTY_RUNS ?? 150);

const OUTSIDE_IPS = OUTSIDE.map(parseIp).filter((ip) => ip !== null);

/** Flows that the tables and the engine judge otherwise. */
function disagreements(
  cluster: Cluster,
  program: PolicyProgram,
  compilers: readonly NodeCompiler[],
  salt: number,
  tally: { allowed: number; denied: number },
): readonly string[] {
  const engine = new CompiledProgram(program, cluster, { ties: 'by-name' });
  const enforced = new Enforced();
  for (const compiler of compilers) enforced.put(compiler.node, compiler.desired.content());
  const out: string[] = [];
  for (const drawn of flowsOf({ cluster, program, diagnostics: [] }, dice(salt), 80)) {
    for (const family of [4, 6] as const) {
      const flow = { ...drawn, family, viaService: drawn.viaService && drawn.source === drawn.destination };
      if (flow.source.kind === 'domain' || flow.destination.kind === 'domain') continue;
      const observed = enforced.allows(flow, family);
      if (observed === null) continue;
      // What is not surely allowed is closed.
      const expected = verdict(engine, flow) === 'allowed';
      tally[expected ? 'allowed' : 'denied']++;
      if (observed !== expected) out.push(`${wordFlow(flow)}: expected ${expected}, enforced ${observed}`);
    }
  }
  return out;
}

function compiled(cluster: Cluster, program: PolicyProgram): readonly NodeCompiler[] {
  return cluster.nodes.map(({ name }) => {
    const compiler = new NodeCompiler({ node: name, layout: DEFAULT_LAYOUT });
    compiler.load(cluster, program);
    compiler.settle();
    return compiler;
  });
}

describe('the tables of all nodes', () => {
  test('let through what the engine allows, and nothing else', () => {
    const tally = { allowed: 0, denied: 0 };
    fc.assert(
      fc.property(clusters, fc.nat(), (objects, salt) => {
        const { program, cluster: written } = read(objects);
        const cluster = placed(written);
        expect(disagreements(cluster, program, compiled(cluster, program), salt, tally)).toEqual([]);
      }),
      { numRuns: RUNS, seed: 11 },
    );
    expect(Math.min(tally.allowed, tally.denied)).toBeGreaterThan(RUNS * 10);
  });

  test('judge live connections again whenever something that was allowed is not any more', () => {
    const tally = { cut: 0, spared: 0 };
    fc.assert(
      fc.property(fc.noBias(clusters), clusters, fc.nat(), (first, second, salt) => {
        throughEdits(first, second, salt, (compiler, { edit, before, after, apply }) => {
          const passed = letThrough(compiler, before.cluster, dice(salt));
          const { tightens } = apply();
          const passes = letThrough(compiler, after.cluster, dice(salt));
          const lost = [...passed].filter(([key, allowed]) => allowed && passes.get(key) === false);
          if (lost.length > 0 && !tightens) expect({ edit, lost }).toEqual('a new generation');
          if (tightens) tally.cut++;
          else tally.spared++;
        });
      }),
      { numRuns: RUNS, seed: 13 },
    );
    // Neither is the generation new every time.
    expect(Math.min(tally.cut, tally.spared)).toBeGreaterThan(RUNS);
  });

  test('mean the same with what goes ahead of a change, which is part of the change', () => {
    const tally = { ahead: 0, without: 0 };
    fc.assert(
      fc.property(fc.noBias(clusters), clusters, fc.nat(), (first, second, salt) => {
        throughEdits(first, second, salt, (compiler, { before, apply }) => {
          const kernel = copyOf(compiler.desired.content());
          const { ahead } = apply();
          tally[ahead === '' ? 'without' : 'ahead']++;
          if (ahead === '') return;
          const within = [...ahead.matchAll(/ \. (\d+) \. (\d+)-/g)].map(
            ([, protocol, port]) => [Number(protocol), Number(port)] as const,
          );
          const passed = letThrough(compiler, before.cluster, dice(salt), kernel, within);
          for (const [, set = '', keys = ''] of ahead.matchAll(/^add element inet rampart (\w+) \{ (.*) \}$/gm)) {
            const elements = kernel.sets.get(set)?.elements as Map<string, string> | undefined;
            for (const key of keys.split(', ')) {
              expect(compiler.desired.elements(set).has(key)).toBe(true);
              elements?.set(key, '');
            }
          }
          expect(letThrough(compiler, before.cluster, dice(salt), kernel, within)).toEqual(passed);
        });
      }),
      // Changed ranges of known identities and subjects are rare.
      { numRuns: 10 * RUNS, seed: 14 },
    );
    expect(Math.min(tally.ahead, tally.without)).toBeGreaterThan(RUNS);
  });

  test('do so after any edits, told one by one', () => {
    const tally = { allowed: 0, denied: 0 };
    fc.assert(
      fc.property(
        fc.noBias(clusters),
        clusters,
        fc.nat(),
        fc.integer({ min: 1, max: 12 }),
        (first, second, salt, edits) => {
          const { program, cluster: written } = read(first);
          const pool = read(second);
          let now: Edited = { program, cluster: placed(written) };
          const compilers = compiled(now.cluster, now.program);
          const roll = dice(salt);
          for (let i = 0; i < edits; i++) {
            const edit = usable(editOf(now, { ...pool, cluster: placed(pool.cluster) }, roll), now, i);
            now = edited(now, edit);
            for (const compiler of compilers) {
              if (edit.kind === 'policy') compiler.replacePolicy(edit.tier, edit.before, edit.after);
              else compiler.replacePod(edit.before, edit.after);
            }
            if (i < edits - 1 && roll(3) > 0) continue;
            for (const compiler of compilers) {
              compiler.settle();
              compiler.desired.transaction();
              compiler.desired.commit();
            }
            expect(disagreements(now.cluster, now.program, compilers, salt + i, tally)).toEqual([]);
          }
          // An agent that starts anew finds the table and has nothing to change, whatever its history.
          for (const before of compilers) {
            const again = new NodeCompiler({ node: before.node, layout: DEFAULT_LAYOUT });
            again.desired.rebase(before.desired.content());
            again.load(now.cluster, now.program);
            again.settle();
            if (again.desired.pending()) expect(again.desired.transaction().text).toBe('');
          }
        },
      ),
      { numRuns: RUNS, seed: 12 },
    );
    expect(Math.min(tally.allowed, tally.denied)).toBeGreaterThan(RUNS * 10);
  });
});

interface Step {
  readonly edit: Edit;
  readonly before: Edited;
  readonly after: Edited;
  /** Tells the compiler of the edit; the kernel takes what comes of it. */
  readonly apply: () => Transaction;
}

/** Takes the tables of all nodes of one cluster through six edits with parts of another one. */
function throughEdits(
  first: Parameters<typeof read>[0],
  second: Parameters<typeof read>[0],
  salt: number,
  visit: (compiler: NodeCompiler, step: Step) => void,
): void {
  const { program, cluster: written } = read(first);
  const pool = read(second);
  let before: Edited = { program, cluster: placed(written) };
  const compilers = compiled(before.cluster, before.program);
  const committed = ({ desired }: NodeCompiler): Transaction => {
    const transaction = desired.transaction();
    desired.commit();
    return transaction;
  };
  for (const compiler of compilers) committed(compiler);
  const roll = dice(salt);
  for (let i = 0; i < 6; i++) {
    const edit = usable(editOf(before, { ...pool, cluster: placed(pool.cluster) }, roll), before, i);
    const after = edited(before, edit);
    for (const compiler of compilers) {
      const apply = (): Transaction => {
        if (edit.kind === 'policy') compiler.replacePolicy(edit.tier, edit.before, edit.after);
        else compiler.replacePod(edit.before, edit.after);
        compiler.settle();
        return committed(compiler);
      };
      visit(compiler, { edit, before, after, apply });
    }
    before = after;
  }
}

function copyOf(content: TableContent): TableContent {
  return {
    ...content,
    sets: new Map(
      [...content.sets].map(([name, { declaration, elements }]) => [
        name,
        { declaration, elements: new Map(elements) },
      ]),
    ),
    chains: new Map(content.chains),
  };
}

/** What a table does with first packets between addresses that the cluster has, as far as the table's pods are concerned. */
function letThrough(
  compiler: NodeCompiler,
  cluster: Cluster,
  roll: Dice,
  content: TableContent = compiler.desired.content(),
  also: readonly (readonly [protocol: number, port: number])[] = [],
): ReadonlyMap<string, boolean> {
  const table = simulatorOf(content);
  const pods = cluster.workloads.flatMap((workload) => workload.pods).filter((pod) => !pod.hostNetwork);
  const local = pods.filter((pod) => pod.node === compiler.node).flatMap((pod) => pod.addresses);
  const all = [
    ...pods.flatMap((pod) => pod.addresses),
    ...cluster.nodes.flatMap((node) => node.addresses),
    ...OUTSIDE_IPS,
  ];
  const out = new Map<string, boolean>();
  for (const here of local) {
    for (const there of all) {
      if (here.family !== there.family || here === there) continue;
      for (const [from, to] of [
        [here, there],
        [there, here],
      ] as const) {
        for (const [protocol, port] of [[6, 80], [17, 53], [6, PORTS[roll(PORTS.length)] ?? 1], ...also] as const) {
          const key = `${formatIp(from)} ${formatIp(to)} ${protocol} ${port}`;
          out.set(key, table(firstPacket(from, to, protocol, port)).verdict === 'accept');
        }
      }
    }
  }
  return out;
}

/** An edit after which every pod has a node and addresses of its own. */
function usable(edit: Edit, now: Edited, index: number): Edit {
  if (edit.kind === 'policy' || edit.after === null) return edit;
  const taken = new Set(
    now.cluster.workloads
      .flatMap(({ pods }) => pods)
      .filter((pod) => pod !== edit.before)
      .flatMap((pod) => pod.addresses.map((ip) => `${ip.family}/${ip.value}`)),
  );
  const { after } = edit;
  const node = after.node ?? now.cluster.nodes[index % 2]?.name ?? null;
  const addresses = after.hostNetwork
    ? (now.cluster.nodes.find(({ name }) => name === node)?.addresses ?? [])
    : after.addresses.map((ip) => {
        let { value } = ip;
        while (taken.has(`${ip.family}/${value}`)) value++;
        return { ...ip, value };
      });
  return { ...edit, after: { ...after, node, addresses } };
}
