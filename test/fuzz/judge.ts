/** What becomes of damaged manifests, end to end: read, given their meaning, compiled and asked. */
import { CompiledProgram } from '../../src/engine/compiled/compile.ts';
import { verdict } from '../../src/engine/compiled/evaluate.ts';
import { pairTable } from '../../src/engine/connectivity/pairs.ts';
import { type Input, inputOf } from '../../src/input/input.ts';
import { readManifests } from '../../src/manifest/read.ts';
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import type { Endpoint, Flow } from '../../src/model/flow.ts';
import type { VerdictKind } from '../../src/model/verdict.ts';
import { dice, mutation } from '../manifest/mutations.ts';
import { wordEndpoint } from '../properties/sampling.ts';
import { endpointsOf } from '../properties/world.ts';
import { type Damage, damage } from './damage.ts';
import { type Manifest, POLICIES, SURROUNDINGS, TOWN } from './town.ts';

/** What may become of a damaged policy. */
export const OUTCOMES = [
  'no effect',
  'closes',
  'opens: refused and said',
  'opens: means something else',
  'unclear',
] as const;

export interface Judgement {
  readonly outcome: (typeof OUTCOMES)[number] | 'no policy';
  readonly kind: Damage['kind'] | 'any manifest';
  /** What must never be; `null` if all is well. */
  readonly finding: string | null;
  readonly text: string;
  /** Counted work: classes made, pairs of groups looked at. */
  readonly work: number;
}

/** Of a key that is given twice the last value counts, and it is said: another meaning, not a part left out. */
const DUPLICATE_KEY = 'RP008';

const PORTS: readonly { readonly protocol: Flow['protocol']; readonly port: number | null }[] = [
  { protocol: 'TCP', port: 80 },
  { protocol: 'TCP', port: 443 },
  { protocol: 'TCP', port: 5432 },
  { protocol: 'TCP', port: 8080 },
  { protocol: 'UDP', port: 53 },
  { protocol: 'SCTP', port: 80 },
  { protocol: 'ICMP', port: null },
];

interface Read {
  readonly input: Input;
  readonly diagnostics: readonly Diagnostic[];
}

const json = (manifests: readonly Manifest[]): string =>
  manifests.map((one) => `${JSON.stringify(one)}\n`).join('---\n');

function readAll(texts: readonly (readonly [file: string, text: string])[]): Read {
  const reading = readManifests(texts.map(([file, text]) => ({ file, text })));
  const input = inputOf(reading.objects);
  return { input, diagnostics: [...reading.diagnostics, ...input.diagnostics] };
}

interface Answers {
  readonly verdicts: ReadonlyMap<string, VerdictKind>;
  readonly work: number;
}

/** Every flow of the town at the ports that matter, one end of it a pod. */
function ask(input: Input): Answers {
  const program = new CompiledProgram(input.program, input.cluster);
  const out = new Map<string, VerdictKind>();
  const ends = endpointsOf(input);
  const named = (end: Endpoint): string => wordEndpoint(end);
  for (const source of ends) {
    for (const destination of ends) {
      if (source.kind !== 'pod' && destination.kind !== 'pod') continue;
      for (const { protocol, port } of PORTS) {
        const flow: Flow = { source, destination, protocol, port, family: null, viaService: false };
        out.set(`${named(source)} -> ${named(destination)} ${protocol} ${port ?? ''}`, verdict(program, flow));
      }
    }
  }
  const { visited } = pairTable(program, input.cluster).work;
  return { verdicts: out, work: program.work.classes + visited };
}

const TOWN_TEXT = json(TOWN);
const sound = new Map<string, Answers>();

/** The answers with the policy as it was. */
function answersBefore(policy: number, around: number): Answers {
  const key = `${policy} ${around}`;
  let known = sound.get(key);
  if (known === undefined) {
    const { input, diagnostics } = readAll(textsOf(json([POLICIES[policy] as Manifest]), around));
    const wrong = diagnostics.filter(({ severity }) => severity === 'error');
    if (wrong.length > 0) throw new Error(`policy ${policy} is not sound: ${wrong[0]?.message}`);
    known = ask(input);
    sound.set(key, known);
  }
  return known;
}

function textsOf(policy: string, around: number): readonly (readonly [string, string])[] {
  return [
    ['town.yaml', TOWN_TEXT],
    ['around.yaml', json(SURROUNDINGS[around] as readonly Manifest[])],
    ['policy.yaml', policy],
  ];
}

/** The `index`-th damage of a seed, judged. Every fourth one damages any manifest and is asked only to survive. */
export function judge(seed: number, index: number): Judgement {
  if (index % 4 === 3) return survive(seed, index);
  const roll = dice(Math.imul(seed, 0x85ebca6b) + index);
  const which = roll(POLICIES.length);
  const around = roll(SURROUNDINGS.length);
  const policy = POLICIES[which] as Manifest;
  const { kind, broken, text } = damage(policy, roll);
  const before = answersBefore(which, around);
  const { input, diagnostics } = readAll(textsOf(text, around));
  const after = ask(input);
  const errors = diagnostics.filter(
    ({ severity, code }) => severity === 'error' && code !== 'RP017' && code !== DUPLICATE_KEY,
  );
  const opened: string[] = [];
  let changed = false;
  for (const [flow, old] of before.verdicts) {
    const now = after.verdicts.get(flow);
    if (now !== undefined && now !== old) changed = true;
    if (old === 'denied' && now === 'allowed') opened.push(flow);
  }
  const said = errors.map(({ message, origin }) => `${origin?.field ?? ''}: ${message}`);
  const result = (outcome: Judgement['outcome'], wrong: string | null): Judgement => ({
    outcome,
    kind,
    finding: wrong === null ? null : `${wrong}; opened: ${opened.slice(0, 3).join(', ')}; said: ${said.join(', ')}`,
    text,
    work: after.work,
  });
  if (broken && errors.length === 0) return result('no effect', 'damage is not reported');
  if (opened.length === 0) return result(changed ? 'closes' : 'no effect', null);
  // Left out as a server would leave it out, or not there at all: then an error says so (exit code 3).
  const inForce = input.program.tiers.some(({ policies }) =>
    policies.some((one) => one.origin.object.source?.file === 'policy.yaml'),
  );
  if (!inForce && errors.length > 0) return result('opens: refused and said', null);
  if (broken) return result('no effect', 'damage opens');
  if (errors.length === 0)
    return meansOther(input, diagnostics, text)
      ? result('opens: means something else', null)
      : result('no effect', 'a policy is lost without an error');
  // Errors beside a change of meaning: with the parts in error as they were, what is left must open as much.
  const intact = restored(diagnostics, text, policy, around);
  if (intact === null) return result('unclear', null);
  const beyond = opened.filter((flow) => intact.verdicts.get(flow) !== 'allowed');
  return result('opens: means something else', beyond.length === 0 ? null : `an error opens ${beyond[0]}`);
}

/** Whether what is left of the document is a manifest that Kubernetes would take without a word. */
function meansOther(input: Input, diagnostics: readonly Diagnostic[], text: string): boolean {
  const read = readManifests([{ file: 'policy.yaml', text }]);
  if (read.objects.length === 0) return read.diagnostics.length === 0;
  const lowered = input.program.tiers
    .flatMap(({ policies }) => policies)
    .some((one) => one.origin.object.source?.file === 'policy.yaml');
  // Another kind of object: it has to be said at least that nothing here understands it.
  return lowered || diagnostics.some(({ origin, at }) => (origin?.object.source?.file ?? at?.file) === 'policy.yaml');
}

/** The answers with every part in error as it was in the sound policy; `null` if errors are left then. */
function restored(diagnostics: readonly Diagnostic[], text: string, policy: Manifest, around: number): Answers | null {
  const objects = readManifests([{ file: 'policy.yaml', text }]).objects.map(
    ({ value }) => structuredClone(value) as Manifest,
  );
  const [object] = objects;
  if (object === undefined || objects.length > 1) return null;
  for (const { severity, code, origin } of diagnostics) {
    if (severity !== 'error' || code === DUPLICATE_KEY || origin === null) continue;
    const steps = origin.field.split(/[.[\]]+/).filter((step) => step !== '');
    const last = steps.pop();
    const at = (root: unknown): unknown =>
      steps.reduce<unknown>((inner, step) => (inner as Manifest | null | undefined)?.[step], root);
    const [holder, source] = [at(object), at(policy)];
    if (last === undefined || holder === null || typeof holder !== 'object') return null;
    const old =
      source !== null && typeof source === 'object' && Object.hasOwn(source, last)
        ? (source as Manifest)[last]
        : undefined;
    if (old === undefined) delete (holder as Manifest)[last];
    else (holder as Manifest)[last] = structuredClone(old);
  }
  const { input, diagnostics: left } = readAll(textsOf(json([object]), around));
  return left.some(({ severity }) => severity === 'error') ? null : ask(input);
}

function survive(seed: number, index: number): Judgement {
  const { text } = mutation(seed, index);
  const { input } = readAll([
    ['any.yaml', text],
    ['town.yaml', TOWN_TEXT],
  ]);
  return { outcome: 'no policy', kind: 'any manifest', finding: null, text, work: ask(input).work };
}
