/** The conformance vectors as labs need them: cases with flows, put together where one lab can be changed from one to the next. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { asObject, items, stringOf } from '../../src/kinds/validation/json.ts';
import type { Listener } from '../../src/lab/pod-protocol.ts';
import type { Json, JsonObject, KubeObject } from '../../src/manifest/object.ts';
import { readManifests } from '../../src/manifest/read.ts';
import { type Case, CONFORMANCE, casesOf, readCase } from '../conformance/case.ts';

export type VectorFlow = NonNullable<Case['flows']>[number];

export interface VectorCase {
  /** `suite/name`. */
  readonly id: string;
  readonly tags: readonly string[];
  readonly flows: readonly VectorFlow[];
  readonly objects: readonly KubeObject[];
  /** Blocks of addresses hold for one family, so that the verdicts of a vector do as well. */
  readonly hasBlocks: boolean;
}

/** Cases whose pods are those of the first one, or more. */
export interface CaseGroup {
  readonly first: VectorCase;
  readonly cases: readonly VectorCase[];
}

/** The cases of a suite that say something about flows. */
export function flowCases(suite: string): readonly VectorCase[] {
  return casesOf(suite).flatMap((name) => {
    const id = `${suite}/${name}`;
    const { flows, tags } = readCase(id);
    if (flows === undefined) return [];
    const folder = join(CONFORMANCE, id, 'manifests');
    const files = readdirSync(folder).sort();
    const { objects } = readManifests(
      files.map((file) => ({ file: join(folder, file), bytes: readFileSync(join(folder, file)) })),
    );
    const hasBlocks = objects.some(
      (object) => isPolicy(object) && /"(cidr|networks)":/.test(JSON.stringify(object.value)),
    );
    return [{ id, tags, flows, objects, hasBlocks }];
  });
}

/** Groups cases that a lab with the pods of the first of them can be changed into. */
export function groupCases(cases: readonly VectorCase[]): readonly CaseGroup[] {
  const groups: { first: VectorCase; fixed: ReadonlyMap<string, string>; cases: VectorCase[] }[] = [];
  // Those with the fewest pods first, so that others have theirs and more.
  const order = [...cases].sort((a, b) => podsAndNodes(a).size - podsAndNodes(b).size);
  const rank = new Map(cases.map((one, i) => [one.id, i]));
  for (const one of order) {
    const fixed = podsAndNodes(one);
    const home = groups.find((group) => fits(group.fixed, fixed, one));
    if (home === undefined) groups.push({ first: one, fixed, cases: [one] });
    else home.cases.push(one);
  }
  return groups.map(({ first, cases: members }) => ({
    first,
    cases: members.sort((a, b) => (rank.get(a.id) ?? 0) - (rank.get(b.id) ?? 0)),
  }));
}

function fits(mine: ReadonlyMap<string, string>, theirs: ReadonlyMap<string, string>, one: VectorCase): boolean {
  const kept = [...mine].every(([key, text]) => theirs.get(key) === text);
  const more = [...theirs.keys()].filter((key) => !mine.has(key));
  // What comes later has addresses of the lab's choice, which blocks would tell from those of the vector.
  return kept && (more.length === 0 || (!one.hasBlocks && more.every((key) => key.startsWith('Pod '))));
}

function podsAndNodes({ objects }: VectorCase): ReadonlyMap<string, string> {
  return new Map(
    objects
      .filter(({ ref }) => ref.kind === 'Pod' || ref.kind === 'Node')
      .map(({ ref, value }) => [
        `${ref.kind} ${ref.namespace ?? ''}/${ref.name}`,
        JSON.stringify([value.spec ?? null, asObject(value.status).podIPs ?? value.status ?? null]),
      ]),
  );
}

/** Cases that together have every tag and every set of pods of a suite, chosen one by one by what they add. */
export function sampleOf(cases: readonly VectorCase[]): readonly VectorCase[] {
  const traits = (one: VectorCase): readonly string[] => [...one.tags, [...podsAndNodes(one).keys()].sort().join(' ')];
  const left = new Set(cases.flatMap(traits));
  const chosen = new Set<VectorCase>();
  while (left.size > 0) {
    const adds = (one: VectorCase): number => traits(one).filter((trait) => left.has(trait)).length;
    const best = cases.reduce((a, b) => (adds(b) > adds(a) ? b : a));
    chosen.add(best);
    for (const trait of traits(best)) left.delete(trait);
  }
  return cases.filter((one) => chosen.has(one));
}

export function isPolicy({ ref }: KubeObject): boolean {
  return ref.kind.endsWith('NetworkPolicy');
}

/** Ports that flows of a group end at, by pod (`namespace/name`) or address. */
export function askedPorts({ cases }: CaseGroup): ReadonlyMap<string, readonly Listener[]> {
  const found = new Map<string, Map<string, Listener>>();
  for (const { flows } of cases) {
    for (const { dst, protocol, port } of flows) {
      const mine = found.get(dst) ?? new Map<string, Listener>();
      found.set(dst, mine.set(`${protocol} ${port}`, { protocol, port }));
    }
  }
  return new Map([...found].map(([end, listeners]) => [end, [...listeners.values()]]));
}

/** Addresses that flows of a group name. */
export function askedAddresses({ cases }: CaseGroup): readonly string[] {
  return [...new Set(cases.flatMap(({ flows }) => flows.flatMap(({ src, dst }) => [src, dst])))].filter(
    (end) => !end.includes('/'),
  );
}

const HOSTS = 'lab-hosts';

/**
 * The objects of a case for a lab: pods listen on every port that is asked about, have an address of each family, and are
 * spread over the nodes; on nodes that are asked about, pods of the host network listen.
 */
export function labObjects(one: VectorCase, asked: ReadonlyMap<string, readonly Listener[]>): readonly KubeObject[] {
  const objects = one.objects.map((object) => (object.ref.kind === 'Pod' ? labPod(object, asked) : object));
  const nodes = one.objects.flatMap((object) => (object.ref.kind === 'Node' ? hostPod(object, one, asked) : []));
  return [...objects, ...nodes];
}

function labPod(object: KubeObject, asked: ReadonlyMap<string, readonly Listener[]>): KubeObject {
  const { ref, value } = object;
  const spec = asObject(value.spec);
  const { nodeName: _, ...free } = spec;
  const declared = new Set(items(spec.containers).flatMap(portsOf));
  const more = (asked.get(`${ref.namespace}/${ref.name}`) ?? []).filter(
    ({ protocol, port }) => !declared.has(`${protocol} ${port}`),
  );
  const containers = [...items(spec.containers), ...(more.length === 0 ? [] : [listening(more)])];
  if (spec.hostNetwork === true) return { ref, value: { ...value, spec: { ...spec, containers } } };
  const status = asObject(value.status);
  const podIPs = items(status.podIPs).flatMap((ip): Json[] => {
    const v4 = stringOf(asObject(ip).ip);
    // A digit of the one stands for a digit of the other: any address that is nobody else's will do.
    return [{ ip: v4 }, { ip: `fd5a:${v4.split('.').slice(0, 3).join(':')}::${v4.split('.')[3]}` }];
  });
  return { ref, value: { ...value, spec: { ...free, containers }, status: { ...status, podIPs } } };
}

function hostPod(node: KubeObject, one: VectorCase, asked: ReadonlyMap<string, readonly Listener[]>): KubeObject[] {
  const addresses = items(asObject(node.value.status).addresses).map((entry) => stringOf(asObject(entry).address));
  const taken = new Set(
    one.objects
      .filter(({ ref, value }) => ref.kind === 'Pod' && asObject(value.spec).nodeName === node.ref.name)
      .filter(({ value }) => asObject(value.spec).hostNetwork === true)
      .flatMap(({ value }) => items(asObject(value.spec).containers).flatMap(portsOf)),
  );
  const listeners = addresses
    .flatMap((address) => asked.get(address) ?? [])
    .filter(({ protocol, port }) => !taken.has(`${protocol} ${port}`));
  if (listeners.length === 0) return [];
  const metadata = { name: node.ref.name, namespace: HOSTS, labels: {} };
  const spec = { nodeName: node.ref.name, hostNetwork: true, containers: [listening(listeners)] };
  const value: JsonObject = { apiVersion: 'v1', kind: 'Pod', metadata, spec, status: { phase: 'Running' } };
  return [{ ref: { apiVersion: 'v1', kind: 'Pod', namespace: HOSTS, name: node.ref.name, source: null }, value }];
}

function listening(listeners: readonly Listener[]): JsonObject {
  const ports = listeners.map(({ protocol, port }): Json => ({ containerPort: port, protocol }));
  return { name: 'asked', image: 'asked', ports };
}

function portsOf(container: Json): readonly string[] {
  return items(asObject(container).ports).map((port) => {
    const { protocol, containerPort } = asObject(port);
    return `${stringOf(protocol) || 'TCP'} ${String(containerPort)}`;
  });
}
