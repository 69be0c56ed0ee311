import { describe, expect, it } from 'vitest';
import { type AgentState, agentState, type Batch } from '../../src/agent/state.ts';
import { formatIp, type Ip, parseIp } from '../../src/base/ip.ts';
import type { JsonObject } from '../../src/manifest/object.ts';
import type { Pod } from '../../src/model/cluster.ts';
import { dice } from '../manifest/mutations.ts';
import { namespaceObject, podObject } from './objects.ts';

interface PodSpec {
  readonly name: string;
  readonly ip?: string;
  readonly ips?: readonly string[];
  readonly node?: string | null;
  readonly uid?: string;
  readonly created?: string;
  readonly phase?: string;
  readonly labels?: JsonObject;
}

function pod(spec: PodSpec): JsonObject {
  const { name, node = 'n1', uid = `u-${name}`, created = '2026-01-01T00:00:00Z', labels = {} } = spec;
  const ips = spec.ips ?? (spec.ip === undefined ? [] : [spec.ip]);
  return {
    ...podObject(name, null),
    metadata: { name, namespace: 'a', uid, creationTimestamp: created, labels },
    spec: node === null ? {} : { nodeName: node },
    status: { phase: spec.phase ?? 'Running', podIPs: ips.map((each) => ({ ip: each })) },
  };
}

/** A state that knows the namespace `a` and nothing else. */
function begun(): AgentState {
  const state = agentState({ node: 'n1' });
  state.take({ kind: 'listed', resource: 'namespaces', objects: [namespaceObject('a')] });
  state.drain();
  return state;
}

const put = (state: AgentState, object: JsonObject): boolean => state.take({ kind: 'put', resource: 'pods', object });
const show = (of: Pod | null): string =>
  of === null ? '-' : `${of.namespace}/${of.name} ${of.addresses.map(formatIp).join(',')}`;
const changes = (batch: Batch): string[] => batch.pods.map(({ before, after }) => `${show(before)} → ${show(after)}`);
const ip = (text: string): Ip => parseIp(text) as Ip;

describe('addresses that the network plugin notes', () => {
  const web = { namespace: 'a', name: 'web', uid: 'u-web', addresses: [ip('10.0.0.5'), ip('fd00::5')], at: 1000 };

  it('count as soon as the pod is known, and those of its status with them', () => {
    for (const early of [true, false]) {
      const state = begun();
      if (early) state.early('a/web', web);
      put(state, pod({ name: 'web', phase: 'Pending' }));
      if (!early) state.early('a/web', web);
      expect(changes(state.drain())).toEqual(['- → a/web 10.0.0.5,fd00::5']);
      expect(put(state, pod({ name: 'web', ips: ['10.0.0.5', 'fd00::5'] }))).toBe(false);
      expect(state.early('a/web', { ...web, at: 1001 })).toBe(false);
    }
  });

  it('of a sandbox that was made anew count before the status has them', () => {
    const state = begun();
    state.early('a/web', web);
    put(state, pod({ name: 'web', ips: ['10.0.0.5', 'fd00::5'] }));
    state.drain();
    state.early('a/web', { ...web, addresses: [ip('10.0.0.6')], at: 2000 });
    expect(changes(state.drain())).toEqual(['a/web 10.0.0.5,fd00::5 → a/web 10.0.0.5,fd00::5,10.0.0.6']);
    put(state, pod({ name: 'web', ip: '10.0.0.6' }));
    expect(changes(state.drain())).toEqual(['a/web 10.0.0.5,fd00::5,10.0.0.6 → -', '- → a/web 10.0.0.6']);
  });

  it('beat the status of others, unless their own status has something else', () => {
    const state = begun();
    // After the node was started anew: what `newer` had belongs to `web` now.
    put(state, pod({ name: 'newer', ip: '10.0.0.5', created: '2026-02-02T00:00:00Z' }));
    put(state, pod({ name: 'web', ip: '10.0.0.5' }));
    state.drain();
    state.early('a/web', web);
    expect(changes(state.drain())).toEqual(['a/newer 10.0.0.5 → -', '- → a/web 10.0.0.5,fd00::5']);
    put(state, pod({ name: 'web', ip: '10.0.0.9' }));
    expect(changes(state.drain())).toEqual([
      'a/web 10.0.0.5,fd00::5 → -',
      '- → a/newer 10.0.0.5',
      '- → a/web 10.0.0.9,fd00::5',
    ]);
    state.early('a/newer', { ...web, name: 'newer', uid: 'u-newer', at: 2000 });
    expect(changes(state.drain())).toEqual([
      'a/web 10.0.0.9,fd00::5 → -',
      '- → a/web 10.0.0.9',
      'a/newer 10.0.0.5 → a/newer 10.0.0.5,fd00::5',
    ]);
  });

  it('guard what runs in a sandbox longer than its pod is there', () => {
    for (const end of ['removed', 'finished', 'listed'] as const) {
      const state = begun();
      state.early('a/web', { ...web, addresses: [ip('10.0.0.5')] });
      put(state, pod({ name: 'web', ip: '10.0.0.5', labels: { app: 'web' } }));
      state.drain();
      if (end === 'removed') state.take({ kind: 'removed', resource: 'pods', object: pod({ name: 'web' }) });
      if (end === 'finished') put(state, pod({ name: 'web', ip: '10.0.0.5', phase: 'Failed' }));
      if (end === 'listed') state.take({ kind: 'listed', resource: 'pods', objects: [] });
      const [{ after } = { after: null }] = state.drain().pods;
      expect([after?.addresses.map(formatIp), after?.labels.get('app')]).toEqual([['10.0.0.5'], 'web']);
      // A later pod of the name has nothing to do with it.
      put(state, pod({ name: 'web', ip: '10.0.0.7', uid: 'later', node: 'n2' }));
      expect(changes(state.drain())).toEqual(['- → a/web 10.0.0.7']);
      expect(
        state
          .snapshot()
          .cluster.workloads.flatMap(({ pods }) => pods.map(({ addresses }) => addresses.map(formatIp).join())),
      ).toEqual(['10.0.0.7', '10.0.0.5']);
      state.early('a/web', null);
      expect(state.drain().pods.map(({ before, after }) => [before?.addresses.map(formatIp), after])).toEqual([
        [['10.0.0.5'], null],
      ]);
    }
  });

  it('of a sandbox that is left over belong to whoever has them now', () => {
    const state = begun();
    state.early('a/web', { ...web, addresses: [ip('10.0.0.5')] });
    put(state, pod({ name: 'web', ip: '10.0.0.5' }));
    state.take({ kind: 'removed', resource: 'pods', object: pod({ name: 'web' }) });
    put(state, pod({ name: 'other', ip: '10.0.0.5', created: '2025-01-01T00:00:00Z' }));
    expect(changes(state.drain())).toEqual(['- → a/other 10.0.0.5']);
    // The same pod, which was not gone after all.
    put(state, pod({ name: 'web', ip: '10.0.0.5' }));
    expect(changes(state.drain())).toEqual(['a/other 10.0.0.5 → -', '- → a/web 10.0.0.5']);
  });

  it('of a static pod bear the uid that it has on its node', () => {
    const state = begun();
    state.early('a/web', { ...web, uid: 'of-the-file' });
    const mirror = pod({ name: 'web' });
    const annotations = { 'kubernetes.io/config.mirror': 'of-the-file' };
    put(state, { ...mirror, metadata: { ...(mirror.metadata as JsonObject), annotations } });
    expect(changes(state.drain())).toEqual(['- → a/web 10.0.0.5,fd00::5']);
  });

  it('of an earlier pod of the name, or of another node, do not count', () => {
    const state = begun();
    state.early('a/web', { ...web, uid: 'another' });
    put(state, pod({ name: 'web' }));
    state.early('a/far', { ...web, name: 'far', uid: 'u-far' });
    put(state, pod({ name: 'far', node: null }));
    expect(state.pending() ? changes(state.drain()) : []).toEqual([]);
  });

  it('are taken back', () => {
    const state = begun();
    put(state, pod({ name: 'web' }));
    state.early('a/web', web);
    state.drain();
    state.early('a/web', null);
    expect(changes(state.drain())).toEqual(['a/web 10.0.0.5,fd00::5 → -']);
  });

  it('leave no address of this node unguarded and none with two pods, whatever happens in whatever order', () => {
    const ADDRESSES = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', 'fd00::1'];
    for (let seed = 0; seed < 400; seed++) {
      const roll = dice(seed);
      const some = (): string[] => ADDRESSES.filter(() => roll(4) === 0);
      const state = begun();
      const owners = new Map<string, Pod>();
      const live = new Map<
        string,
        { readonly uid: string; readonly status: readonly string[]; readonly node: string }
      >();
      const noted = new Map<string, { readonly uid: string; readonly addresses: readonly string[] }>();
      for (let step = 0; step < 40; step++) {
        const name = `p${roll(3)}`;
        const uid = `${name}-${roll(2)}`;
        const deed = roll(6);
        if (deed < 3) {
          const [status, node, phase] = [some(), roll(3) === 0 ? 'n2' : 'n1', roll(6) === 0 ? 'Failed' : 'Running'];
          put(state, pod({ name, uid, ips: status, node, phase, created: `2026-01-0${1 + roll(5)}T00:00:00Z` }));
          if (phase === 'Failed') live.delete(name);
          else live.set(name, { uid, status, node });
        } else if (deed === 3) {
          const isIt = live.get(name)?.uid === uid;
          state.take({ kind: 'removed', resource: 'pods', object: pod({ name, uid }) });
          if (isIt) live.delete(name);
        } else {
          const addresses = some();
          const isNone = deed === 4 && roll(2) === 0;
          if (isNone || addresses.length === 0) {
            state.early(`a/${name}`, null);
            noted.delete(name);
          } else {
            state.early(`a/${name}`, { namespace: 'a', name, uid, addresses: addresses.map(ip), at: roll(5) });
            noted.set(name, { uid, addresses });
          }
        }
        if (roll(3) > 0) continue;
        for (const { before, after } of state.drain().pods) {
          for (const each of before?.addresses ?? []) {
            expect(owners.get(formatIp(each))).toBe(before);
            owners.delete(formatIp(each));
          }
          for (const each of after?.addresses ?? []) {
            expect(owners.has(formatIp(each))).toBe(false);
            if (after !== null) owners.set(formatIp(each), after);
          }
        }
        const guarded = [...live].flatMap(([of, { uid: own, status, node }]) => {
          const more = noted.get(of);
          return [...status, ...(node === 'n1' && more?.uid === own ? more.addresses : [])];
        });
        expect(guarded.filter((address) => !owners.has(address))).toEqual([]);
        expect([...state.snapshot().cluster.workloads].flatMap(({ pods }) => pods).length).toBe(
          new Set(owners.values()).size,
        );
        if (live.size === 0 && noted.size === 0) expect(owners.size).toBe(0);
      }
    }
  });
});
