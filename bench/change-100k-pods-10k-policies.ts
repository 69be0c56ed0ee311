/** One object of a large cluster changes: from the new object until the program answers by it. */
import { type Ip, parseIp } from '../src/base/ip.ts';
import type { CompiledProgram } from '../src/engine/compiled/compile.ts';
import { flowOf, verdict } from '../src/engine/compiled/evaluate.ts';
import { inputOf } from '../src/input/input.ts';
import type { Json, JsonObject, KubeObject } from '../src/manifest/object.ts';
import type { Pod } from '../src/model/cluster.ts';
import type { Endpoint } from '../src/model/flow.ts';
import type { Policy } from '../src/model/program.ts';
import { kubeObject, loadProgram, objectsInMemory, podsOf, theFirst } from './suite/loaded.ts';
import { type BenchCase, type Measurement, runAlone, timed } from './suite/measure.ts';

const TIER = 'networkpolicy';
/** Of each job, each to another object. */
const CHANGES_A_RUN = 10;
/** Which no generated policy mentions. */
const PORT = 7777;
const TARGET = 100;

export const benchCase: BenchCase = {
  name: 'change-100k-pods-10k-policies',
  title: 'One object of that cluster changes → the program is current again (the changed object is read, too)',
  runs: 3,
  isolation: 'same-process',
  measure({ runs, tiny }): readonly Measurement[] {
    const objects = objectsInMemory(tiny ? { pods: 120, policies: 40 } : { pods: 100_000, policies: 10_000 });
    const { compiled, input } = loadProgram(objects);
    const policies = new Map(input.program.tiers.flatMap((tier) => tier.policies).map((policy) => [policy.id, policy]));
    const pods = new Map(podsOf(input).map((pod) => [`${pod.namespace}/${pod.name}`, pod]));
    const scraper = theFirst(pods.values(), ({ namespace }) => namespace === 'monitoring', 'pod of monitoring');
    const count = tiny ? 3 : runs * CHANGES_A_RUN;
    const policyObjects = spread(objects.filter(isIngressPolicy), count);
    const podObjects = spread(objects.filter(isApplicationPod), count);
    const namespaces = new Map(objects.filter(({ ref }) => ref.kind === 'Namespace').map((one) => [one.ref.name, one]));

    const policyChanges = (ruleOf: (index: number) => AddedRule): readonly number[] =>
      policyObjects.map((object, index) => {
        const before = known(policies, `NetworkPolicy/${object.ref.namespace}/${object.ref.name}`);
        return changePolicy(compiled, object, before, subjectOf(object, pods.values()), ruleOf(index));
      });
    const podChange = (object: KubeObject, before: Pod | null, changed: JsonObject): number =>
      changePod(compiled, known(namespaces, object.ref.namespace ?? ''), before, changed);

    const jobs: readonly (readonly [string, () => readonly number[]])[] = [
      [
        'a policy gets a rule for the pods of another namespace',
        () =>
          policyChanges(() => ({
            peer: { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } },
            from: { kind: 'pod', pod: scraper },
          })),
      ],
      [
        'a policy gets a rule with a new address block outside of the cluster',
        () => policyChanges((i) => blockRule(`198.${18 + (i >> 8)}.${i & 255}`)),
      ],
      [
        "a policy gets a rule with a new address block that is a node's pods",
        () => policyChanges((i) => blockRule(`10.64.${i & 255}`)),
      ],
      [
        'the labels of a pod change',
        () =>
          podObjects.map((object, index) => {
            const labels = {
              'app.kubernetes.io/name': 'api',
              'app.kubernetes.io/component': 'api',
              canary: `v${index}`,
            };
            const before = known(pods, `${object.ref.namespace}/${object.ref.name}`);
            return podChange(object, before, withMetadata(object.value, { labels }));
          }),
      ],
      [
        'a pod is added',
        () =>
          podObjects.map((object, index) =>
            podChange(
              object,
              null,
              withMetadata(object.value, { name: `added-${index}`, labels: { added: `${index}` } }),
            ),
          ),
      ],
    ];
    return jobs.map(([job, samples]) => ({ job, unit: 'ms', samples: samples(), target: TARGET }));
  },
};

interface AddedRule {
  readonly peer: JsonObject;
  /** What the rule lets in, and nothing else does. */
  readonly from: Endpoint;
}

function blockRule(firstThree: string): AddedRule {
  return {
    peer: { ipBlock: { cidr: `${firstThree}.0/24` } },
    // The generator gives no pod so high an address.
    from: { kind: 'external', address: addressOf(`${firstThree}.250`) },
  };
}

function addressOf(text: string): Ip {
  const ip = parseIp(text);
  if (ip === null) throw new Error(`${text} is no address`);
  return ip;
}

/** Milliseconds; the policy is as before afterwards. */
function changePolicy(
  compiled: CompiledProgram,
  object: KubeObject,
  before: Policy,
  subject: Pod,
  { peer, from }: AddedRule,
): number {
  const spec = object.value.spec as JsonObject;
  const rule: JsonObject = { from: [peer], ports: [{ protocol: 'TCP', port: PORT }] };
  const changed = kubeObject({
    ...object.value,
    spec: { ...spec, ingress: [...(spec.ingress as readonly Json[]), rule] },
  });
  const flow = flowOf(from, { kind: 'pod', pod: subject }, 'TCP', PORT);
  const expect = (wanted: string, when: string): void => {
    const got = verdict(compiled, flow);
    if (got !== wanted) throw new Error(`${before.id}: ${got} ${when} the change, not ${wanted}`);
  };
  expect('denied', 'before');
  const { ms, value: after } = timed(() => {
    const policies = inputOf([changed]).program.tiers.flatMap((tier) => tier.policies);
    const policy = theFirst(policies, () => true, 'changed policy');
    compiled.replacePolicy(TIER, before, policy);
    // Part of the work is done when somebody asks.
    expect('allowed', 'with');
    return policy;
  });
  compiled.replacePolicy(TIER, after, before);
  expect('denied', 'after taking back');
  return ms;
}

/** Milliseconds; the pod is as before afterwards. */
function changePod(compiled: CompiledProgram, namespace: KubeObject, before: Pod | null, changed: JsonObject): number {
  const object = kubeObject(changed);
  const { ms, value: after } = timed(() => {
    const pods = podsOf(inputOf([namespace, object]));
    const pod = theFirst(pods, ({ name }) => name === object.ref.name, 'changed pod');
    compiled.replacePod(before, pod);
    return pod;
  });
  const id = compiled.classOf({ kind: 'pod', pod: after });
  if (compiled.members(id) === 0) throw new Error(`${after.name}: the program does not have the changed pod`);
  if (before !== null && compiled.classOf({ kind: 'pod', pod: before }) === id) {
    throw new Error(`${after.name}: the change had no effect`);
  }
  compiled.replacePod(after, before);
  return ms;
}

function isIngressPolicy({ ref, value }: KubeObject): boolean {
  const spec = value.spec as JsonObject | undefined;
  return ref.kind === 'NetworkPolicy' && Array.isArray(spec?.ingress) && spec.ingress.length > 0;
}

function isApplicationPod({ ref, value }: KubeObject): boolean {
  const { labels } = value.metadata as { readonly labels?: JsonObject };
  return ref.kind === 'Pod' && labels?.team !== undefined;
}

/** A pod that a policy selects; generated policies select by `matchLabels`, or all. */
function subjectOf({ ref, value }: KubeObject, pods: Iterable<Pod>): Pod {
  const { podSelector } = value.spec as { readonly podSelector: { readonly matchLabels?: JsonObject } };
  const labels = Object.entries(podSelector.matchLabels ?? {});
  return theFirst(
    pods,
    (pod) => pod.namespace === ref.namespace && labels.every(([key, wanted]) => pod.labels.get(key) === wanted),
    `pod for ${ref.namespace}/${ref.name}`,
  );
}

function withMetadata(value: JsonObject, changes: JsonObject): JsonObject {
  return { ...value, metadata: { ...(value.metadata as JsonObject), ...changes } };
}

/** `count` of a list, from all over it. */
function spread<T>(list: readonly T[], count: number): readonly T[] {
  const step = Math.max(1, Math.floor(list.length / count));
  return list.filter((_, index) => index % step === 0).slice(0, count);
}

function known<T>(map: ReadonlyMap<string, T>, key: string): T {
  const found = map.get(key);
  if (found === undefined) throw new Error(`the generated cluster has no ${key}`);
  return found;
}

if (import.meta.main) await runAlone(benchCase, import.meta.url);
