/** The difference of two inputs against two runs of connectivity, pair by pair. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CompiledProgram } from '../../src/engine/compiled/compile.ts';
import { TrafficTable } from '../../src/engine/compiled/traffic.ts';
import { connectivity } from '../../src/engine/connectivity/connectivity.ts';
import { diff } from '../../src/engine/diff.ts';
import type { Input } from '../../src/input/input.ts';
import type { ConnectivityReport, DiffChange, DiffReport } from '../../src/model/report.ts';
import { dice } from '../manifest/mutations.ts';
import { expand, NOTHING, namesOf, type Point, pointsOf, textOf } from './expanded.ts';
import { clusters, type KubeJson } from './generators.ts';
import { metadataOf } from './rewrite.ts';
import { read } from './world.ts';

const RUNS = Number(process.env.RAMPART_PROPERTY_RUNS ?? 150);

interface Compared {
  readonly report: DiffReport;
  readonly sides: readonly [ConnectivityReport, ConnectivityReport];
}

function compare(before: Input, after: Input): Compared {
  const traffic = new TrafficTable();
  const side = ({ program, cluster }: Input) => ({
    program: new CompiledProgram(program, cluster, { traffic }),
    cluster,
  });
  const [old, now] = [side(before), side(after)];
  return {
    report: diff(old, now),
    sides: [connectivity(old.program, old.cluster), connectivity(now.program, now.cluster)],
  };
}

/** The first objects with some of the second in their place: policies, pods, labels of namespaces. */
function changed(first: readonly KubeJson[], second: readonly KubeJson[], salt: number): KubeJson[] {
  const roll = dice(salt);
  const key = (object: KubeJson): string =>
    JSON.stringify([object.kind, metadataOf(object)?.namespace, metadataOf(object).name]);
  const out = new Map(first.map((object) => [key(object), object]));
  for (const object of first) if (roll(6) === 0 && object.kind !== 'Namespace') out.delete(key(object));
  for (const object of second) {
    // Nodes and pods on one address, or an Ingress without its Service, would be another cluster, not a change.
    if (roll(4) === 0 && object.kind !== 'Node') out.set(key(object), object);
  }
  return [...out.values()];
}

const pairs = fc
  .tuple(fc.noBias(clusters), fc.noBias(clusters), fc.nat())
  .map(([first, second, salt]) => [first, changed(first, second, salt)] as const);

const WORKLOAD = /\[\w+\]$/;

/** Changes by single pairs. */
function byPair(changes: readonly DiffChange[], points: readonly Point[]): ReadonlyMap<string, DiffChange> {
  const out = new Map<string, DiffChange>();
  for (const change of changes) {
    for (const src of namesOf(change.src, points)) {
      for (const dst of namesOf(change.dst, points)) {
        const key = `${src} -> ${dst}`;
        if (out.has(key)) throw new Error(`${key} is listed twice`);
        out.set(key, change);
      }
    }
  }
  return out;
}

describe('differences', () => {
  test('between an input and itself there are none', () => {
    fc.assert(
      fc.property(fc.noBias(clusters), (objects) => {
        const { report } = compare(read(objects), read([...objects].reverse()));
        expect([report.changes, report.partialChanges, report.ingressControllerChanges]).toEqual([[], [], []]);
      }),
      { numRuns: RUNS, seed: 21 },
    );
  });

  test('are those of two runs of connectivity, for every pair of workloads and address by address', () => {
    const seen = { added: 0, removed: 0, changed: 0, partial: 0 };
    fc.assert(
      fc.property(pairs, ([first, second]) => {
        const { report, sides } = compare(read(first), read(second));
        const points = pointsOf(sides).filter((point) => sides.every((side) => inRanges(side, point)));
        const [old, now] = sides.map((side) => expand(side, points));
        if (old === undefined || now === undefined) throw new Error('two sides');
        const changes = byPair(report.changes, points);
        const partial = byPair(report.partialChanges, points);
        const wrong: string[] = [];
        for (const key of new Set([...old.keys(), ...now.keys(), ...changes.keys(), ...partial.keys()])) {
          const [a, b] = [old.get(key) ?? NOTHING, now.get(key) ?? NOTHING];
          const change = changes.get(key);
          const part = partial.get(key);
          const said =
            change === undefined
              ? null
              : [
                  change.type,
                  textOf(change.before),
                  textOf(change.after),
                  textOf(change.someBefore ?? change.before),
                  textOf(change.someAfter ?? change.after),
                ].join(' ');
          const type = a.conn === '{}' ? 'added' : b.conn === '{}' ? 'removed' : 'changed';
          const wanted = a.conn === b.conn ? null : [type, a.conn, b.conn, a.some, b.some].join(' ');
          if (said !== wanted) wrong.push(`${key}: wanted ${wanted}, said ${said}`);
          const saidPart = part === undefined ? null : [textOf(part.before), textOf(part.after)].join(' ');
          const wantedPart = a.conn === b.conn && a.some !== b.some ? [a.some, b.some].join(' ') : null;
          if (saidPart !== wantedPart) wrong.push(`${key}: wanted in part ${wantedPart}, said ${saidPart}`);
          if (wanted !== null) seen[type]++;
          if (wantedPart !== null) seen.partial++;
        }
        expect(wrong.slice(0, 5)).toEqual([]);
        expect(controllerChanges(report)).toEqual(controllerDifferences(sides));
      }),
      { numRuns: RUNS, seed: 22 },
    );
    expect(Math.min(seen.added, seen.removed, seen.changed)).toBeGreaterThan(RUNS);
    expect(seen.partial).toBeGreaterThan(0);
  });

  test('the other way round are the same with added and removed exchanged', () => {
    fc.assert(
      fc.property(pairs, ([first, second]) => {
        const there = compare(read(first), read(second)).report;
        const back = compare(read(second), read(first)).report;
        expect(back.changes.map(turned).sort(byText)).toEqual(there.changes.map(plain).sort(byText));
        expect(back.partialChanges.map(turned).sort(byText)).toEqual(there.partialChanges.map(plain).sort(byText));
        expect(back.ingressControllerChanges.map(turned).sort(byText)).toEqual(
          there.ingressControllerChanges.map(plain).sort(byText),
        );
        expect(back.unspecified).toEqual(there.unspecified);
      }),
      { numRuns: RUNS, seed: 23 },
    );
  });
});

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function plain(change: DiffChange): string {
  const { type, src, dst, before, after, someBefore = before, someAfter = after } = change;
  return JSON.stringify([type, src, dst, before, after, someBefore, someAfter, change.workloads ?? '']);
}

function turned(change: DiffChange): string {
  const type = { added: 'removed', removed: 'added', changed: 'changed' } as const;
  const note = change.workloads?.replace(/ (added|removed)\b/g, (_, word: 'added' | 'removed') => ` ${type[word]}`);
  return plain({
    ...change,
    type: type[change.type],
    before: change.after,
    after: change.before,
    someBefore: change.someAfter ?? change.after,
    someAfter: change.someBefore ?? change.before,
    ...(note === undefined ? {} : { workloads: note }),
  });
}

/** Whether an address is in a range of the side, so nobody's there. */
function inRanges(side: ConnectivityReport, point: Point): boolean {
  return side.peers.some((peer) => !WORKLOAD.test(peer) && namesOf(peer, [point]).length > 0);
}

function controllerChanges(report: DiffReport): readonly string[] {
  return report.ingressControllerChanges
    .map(({ dst, before, after }) => `${dst} ${textOf(before)} ${textOf(after)}`)
    .sort(byText);
}

function controllerDifferences([before, after]: Compared['sides']): readonly string[] {
  const of = (side: ConnectivityReport) => new Map(side.ingressController.map(({ dst, conn }) => [dst, textOf(conn)]));
  const [old, now] = [of(before), of(after)];
  return [...new Set([...old.keys(), ...now.keys()])]
    .flatMap((dst) => {
      const [a, b] = [old.get(dst) ?? '{}', now.get(dst) ?? '{}'];
      return a === b ? [] : [`${dst} ${a} ${b}`];
    })
    .sort(byText);
}
