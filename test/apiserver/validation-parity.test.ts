import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import {
  validateAdminNetworkPolicy,
  validateBaselineAdminNetworkPolicy,
} from '../../src/kinds/admin-network-policy/validate.ts';
import { validateClusterNetworkPolicy } from '../../src/kinds/cluster-network-policy/validate.ts';
import { validateNetworkPolicy } from '../../src/kinds/network-policy/validate.ts';
import type { JsonObject, KubeObject } from '../../src/manifest/object.ts';
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import { type CustomResourceDefinition, type Kube, missingKube, type Response, sharedDir, startKube } from './kube.ts';
import { everyKnownValue, mutated, seededRandom } from './validation-parity.mutate.ts';
import {
  ADMIN_NETWORK_POLICY,
  BASELINE_ADMIN_NETWORK_POLICY,
  CLUSTER_NETWORK_POLICY,
  NETWORK_POLICY,
  OLD_ADMIN_NETWORK_POLICY,
  OLD_BASELINE_ADMIN_NETWORK_POLICY,
  type Seeds,
} from './validation-parity.seeds.ts';

const COUNT = Number(process.env.RAMPART_PARITY_COUNT ?? 4200);
const SEED = Number(process.env.RAMPART_PARITY_SEED ?? 20260101);
const NAMESPACE = 'shop';

const VALIDATORS: Readonly<Record<string, (object: KubeObject) => readonly Diagnostic[]>> = {
  NetworkPolicy: validateNetworkPolicy,
  ClusterNetworkPolicy: validateClusterNetworkPolicy,
  AdminNetworkPolicy: validateAdminNetworkPolicy,
  BaselineAdminNetworkPolicy: validateBaselineAdminNetworkPolicy,
};

/** Complaints that the server must have made somewhere in a full run, or the mutations have lost their reach. */
const REACHED: readonly string[] = [
  'Required value',
  'Forbidden: may not specify both ipBlock and another peer',
  "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
  "must be specified when `operator` is 'In' or 'NotIn'",
  'not a valid selector operator',
  'must specify a peer',
  'must be a valid CIDR value',
  'must be a strict subset of `cidr`',
  'must be greater than or equal to `port`',
  'may not be specified when `port` is non-numeric',
  'may not be specified when `port` is not specified',
  'must be between 1 and 65535, inclusive',
  'must not contain consecutive hyphens',
  'may not specify more than two policyTypes',
  'supported values: "TCP", "UDP", "SCTP"',
  'supported values: "Ingress", "Egress"',
  'supported values: "Admin", "Baseline"',
  'supported values: "Accept", "Deny", "Pass"',
  'supported values: "Allow", "Deny", "Pass"',
  'supported values: "Allow", "Deny"',
  'Duplicate value: "10.0.0.0/8"',
  'Too long: may not be more than 100 bytes',
  'Too long: may not be more than 43 bytes',
  'must have at most 1 item',
  'must have at most 25 items',
  'must have at most 100 items',
  'in body should have at least 1 items',
  'in body should have at least 1 properties',
  'in body should be less than or equal to 1000',
  'in body should be greater than or equal to 1',
  'in body should match',
  'in body must be of type',
  'Invalid CIDR format provided',
  'Start port must be less than End port',
  'since there are no namedPorts for networks/nodes/domainNames',
  'Only one baseline admin network policy',
  'some validation rules were not checked',
  'name or generateName is required',
  'must be no more than 253 characters',
  'prefix part must be non-empty',
  'a valid label must be an empty string or consist of',
  'name is neither a standard finalizer name',
  'version must not be empty',
  'Too long: may not be more than 262144 bytes',
  'Only one reference can have Controller set to true',
  'is disallowed from being an owner',
  'cannot be both set',
  'is ambiguous in this context',
  'will be considered invalid in a future Kubernetes release',
  'should be in RFC 5952 canonical format',
  'unknown field "spec.',
  'unknown field "metadata.',
];
const heard = new Set<string>();
const met = new Set<string>();

/** What either side says of one object. */
interface Answer {
  readonly refused: boolean;
  /** `field: message` of what refuses it. */
  readonly errors: readonly string[];
  readonly unknown: readonly string[];
  readonly warnings: readonly string[];
  /** The server could not decode it and says so in one sentence. */
  readonly undecodable: string | null;
}

interface Case {
  readonly value: JsonObject;
  readonly ours: Answer;
  readonly server: Answer;
}

/** Every way in which the answers may differ, with the reason. A case that fits none of them fails the test. */
const DIFFERENCES: readonly { readonly reason: string; readonly fits: (pair: Case) => boolean }[] = [
  {
    reason: 'decoding error: the server names one Go type and a path without indices, we name every place',
    fits: ({ ours, server }) => {
      if (server.undecodable === null || !ours.refused) return false;
      const places = ours.errors.map((error) => error.slice(0, error.indexOf(': ')).replace(/\[\d+\]/g, ''));
      const field = / into Go struct field [A-Za-z0-9]+\.(\S+) of type /.exec(server.undecodable)?.[1];
      // Errors of types that decode themselves (ports, times) come without the field.
      if (field === undefined) return /into Go value of type|parsing time/.test(server.undecodable);
      // Metadata of custom resources is decoded by itself.
      const fields = [field, `metadata.${field}`];
      return places.some((place) => fields.some((name) => place === name || place.startsWith(`${name}.`)));
    },
  },
  {
    reason: 'a peer or port of an unknown kind: the server refuses what is left of it, we keep it and fail closed',
    fits: ({ ours, server }) => {
      if (server.undecodable !== null) return false;
      const extra = server.errors.filter((error) => !ours.errors.includes(error));
      return (
        extra.length > 0 &&
        ours.errors.every((error) => server.errors.includes(error)) &&
        JSON.stringify(ours.unknown) === JSON.stringify(server.unknown) &&
        extra.every((error) => {
          const [place] = error.split(': ');
          const emptied = /must specify a peer$|should have at least 1 properties$/.test(error);
          return emptied && ours.unknown.some((text) => text.startsWith(`unknown field "${place}.`));
        })
      );
    },
  },
  {
    reason: 'a named port in a v1alpha1 rule that has both pods and networks: the server refuses, we warn',
    fits: ({ ours, server, value }) => {
      const extra = server.errors.filter((error) => !ours.errors.includes(error));
      return (
        String(value.apiVersion).endsWith('/v1alpha1') &&
        extra.length > 0 &&
        ours.errors.every((error) => server.errors.includes(error)) &&
        extra.every((error) => error.includes('peer cannot be set with namedPorts since there are no namedPorts'))
      );
    },
  },
  {
    reason: 'more unknown fields than the server has room for in its warnings',
    fits: ({ ours, server }) =>
      JSON.stringify(ours.errors) === JSON.stringify(server.errors) &&
      server.unknown.length >= 40 &&
      server.unknown.every((text) => ours.unknown.includes(text)),
  },
  {
    reason: 'the server also judges the name that it made of an invalid generateName, with its random letters',
    fits: ({ ours, server, value }) =>
      !Object.hasOwn(value.metadata as JsonObject, 'name') &&
      ours.refused &&
      JSON.stringify(ours.errors) ===
        JSON.stringify(server.errors.filter((error) => !error.startsWith('metadata.name: Invalid value'))),
  },
  {
    reason: 'a namespace other than that of the request is refused before validation',
    fits: ({ server }) => server.undecodable?.includes('does not match the namespace sent on the request') === true,
  },
];

function ourAnswer(diagnostics: readonly Diagnostic[]): Answer {
  const say = (d: Diagnostic): string => `${d.origin?.field ?? ''}: ${d.message}`;
  const refusing = diagnostics.filter((d) => d.refused === true);
  return {
    refused: refusing.length > 0,
    errors: sorted(refusing.map(say)),
    unknown: sorted(diagnostics.filter((d) => d.code === 'RP108').map((d) => d.message)),
    warnings: sorted(diagnostics.filter((d) => d.code === 'RP120' || d.code === 'RP121').map(say)),
    undecodable: null,
  };
}

function serverAnswer(response: Response): Answer {
  const status = response.body as {
    message?: string;
    details?: { causes?: { field?: string; message?: string }[] };
  };
  if (![200, 201, 400, 422].includes(response.status)) {
    throw new Error(`unexpected status ${response.status}: ${JSON.stringify(response.body)}`);
  }
  const causes = response.status === 422 ? (status.details?.causes ?? []) : [];
  const field = (name = ''): string => (name === '<nil>' ? '' : name);
  return {
    refused: response.status >= 400,
    errors: sorted(causes.map((cause) => `${field(cause.field)}: ${cause.message ?? ''}`)),
    unknown: sorted(response.warnings.filter((text) => text.startsWith('unknown field'))),
    warnings: sorted(response.warnings.filter((text) => text.includes(' CIDR value "'))),
    undecodable: response.status === 400 ? (status.message ?? '') : null,
  };
}

function sorted(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort();
}

function agrees({ ours, server }: Case): boolean {
  const same = (a: readonly string[], b: readonly string[]): boolean => JSON.stringify(a) === JSON.stringify(b);
  return (
    server.undecodable === null &&
    ours.refused === server.refused &&
    same(ours.errors, server.errors) &&
    same(ours.unknown, server.unknown) &&
    same(ours.warnings, server.warnings)
  );
}

async function ask(kube: Kube, seeds: Seeds, value: JsonObject): Promise<Case> {
  const scope = seeds.namespaced ? `/namespaces/${NAMESPACE}` : '';
  // Warn: unknown fields are dropped and named in headers, and the rest is judged; Strict would stop at them.
  const path = `/apis/${seeds.apiVersion}${scope}/${seeds.plural}?dryRun=All&fieldValidation=Warn`;
  const response = await kube.send('POST', path, value);
  const ref = { ...seeds, namespace: seeds.namespaced ? NAMESPACE : null, source: null };
  const validate = VALIDATORS[seeds.kind] ?? (() => []);
  const server = serverAnswer(response);
  for (const text of [...server.errors, ...server.unknown, ...server.warnings]) heard.add(text);
  return { value, ours: ourAnswer(validate({ ref, value })), server };
}

async function askAll(kube: Kube, seeds: Seeds, values: readonly JsonObject[]): Promise<Case[]> {
  const cases: Case[] = [];
  const queue = values.values();
  const worker = async (): Promise<void> => {
    for (const value of queue) cases.push(await ask(kube, seeds, value));
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return cases;
}

function seedObjects(seeds: Seeds): JsonObject[] {
  return seeds.specs.map((spec, i) => ({
    apiVersion: seeds.apiVersion,
    kind: seeds.kind,
    metadata: {
      name: seeds.name,
      ...(seeds.namespaced ? { namespace: NAMESPACE } : {}),
      labels: { app: 'web', 'example.com/tier': 'front' },
      annotations: { note: 'any "text" & more' },
      ...(i === 0
        ? {
            ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'a', uid: 'u', controller: true }],
            finalizers: ['example.com/keep'],
            creationTimestamp: null,
            generateName: 'seed-',
            generation: 1,
          }
        : {}),
    },
    spec,
  }));
}

function oddObjects({ apiVersion, kind, name, odd = [] }: Seeds): JsonObject[] {
  return odd.map(({ metadata = { name }, spec }) => ({ apiVersion, kind, metadata, spec }));
}

function report(title: string, cases: readonly Case[]): void {
  const counts = new Map<string, number>();
  const unexplained: Case[] = [];
  let agree = 0;
  for (const pair of cases) {
    if (agrees(pair)) agree++;
    else {
      const known = DIFFERENCES.find(({ fits }) => fits(pair));
      if (known === undefined) unexplained.push(pair);
      else {
        counts.set(known.reason, (counts.get(known.reason) ?? 0) + 1);
        met.add(known.reason);
      }
    }
  }
  const refused = cases.filter((pair) => pair.server.refused).length;
  const known = [...counts].map(([reason, count]) => `; ${count} × ${reason}`).join('');
  console.log(`${title}: ${cases.length} objects (${refused} refused), ${agree} agree${known}`);
  expect(
    unexplained.slice(0, 12).map(difference),
    `${unexplained.length} of ${cases.length} differ without a known reason`,
  ).toEqual([]);
}

/** What only one side says, and of which object. */
function difference({ ours, server, value }: Case): readonly string[] {
  const all = (answer: Answer): string[] => [...answer.errors, ...answer.unknown, ...answer.warnings];
  const mine = all(ours);
  const theirs = all(server);
  return [
    ...mine.filter((text) => !theirs.includes(text)).map((text) => `ours:   ${text}`),
    ...theirs.filter((text) => !mine.includes(text)).map((text) => `server: ${text}`),
    ...(server.undecodable === null ? [] : [`server: ${server.undecodable}`]),
    `refused: ours ${ours.refused}, server ${server.refused}`,
    JSON.stringify(value).slice(0, 2000),
  ];
}

function definitions(folder: string): CustomResourceDefinition[] {
  const dir = join(sharedDir, 'crds/network-policy-api', folder);
  return readdirSync(dir).map((file) => parse(readFileSync(join(dir, file), 'utf8')) as CustomResourceDefinition);
}

const missing = missingKube();
if (missing !== null) console.log(`validation parity is skipped: ${missing}`);

describe.skipIf(missing !== null)('validation says what kube-apiserver says', { timeout: 180_000 }, () => {
  let kube: Kube;

  beforeAll(async () => {
    kube = await startKube({ name: 'val', port: 17543 });
    await kube.send('POST', '/api/v1/namespaces', { metadata: { name: NAMESPACE } });
    for (const folder of ['v1alpha2-experimental', 'v1alpha1-v0.1.8-experimental']) {
      for (const crd of definitions(folder)) await kube.define(crd);
    }
  });

  afterAll(async () => {
    await kube?.down();
  });

  const share = Math.ceil(COUNT / 6);
  const compare = async (
    seeds: Seeds,
    count: number,
    keep: (value: JsonObject) => boolean = () => true,
  ): Promise<void> => {
    const random = seededRandom(SEED);
    const objects = seedObjects(seeds);
    const untouched = await askAll(kube, seeds, objects);
    expect(untouched.map(({ server, ours }) => [server, ours.errors, ours.unknown])).toEqual(
      objects.map(() => [expect.objectContaining({ refused: false, unknown: [] }), [], []]),
    );
    const mutations = Array.from({ length: count }, (_, i) =>
      mutated(objects[i % objects.length] as JsonObject, random),
    );
    const values = [...objects.flatMap(everyKnownValue), ...mutations].filter(keep).concat(oddObjects(seeds));
    report(seeds.title, await askAll(kube, seeds, values));
  };

  it.each([
    [NETWORK_POLICY, 2 * share],
    [CLUSTER_NETWORK_POLICY, share],
    [ADMIN_NETWORK_POLICY, share],
    [BASELINE_ADMIN_NETWORK_POLICY, share],
  ] as const)('over mutations of $title', (seeds, count) => compare(seeds, count));

  it('over the invalid objects of the conformance vectors', async () => {
    const kinds = [NETWORK_POLICY, CLUSTER_NETWORK_POLICY, ADMIN_NETWORK_POLICY, BASELINE_ADMIN_NETWORK_POLICY];
    const cases: Case[] = [];
    for (const value of invalidVectors()) {
      const seeds = kinds.find(({ apiVersion, kind }) => apiVersion === value.apiVersion && kind === value.kind);
      if (seeds === undefined) continue;
      const metadata = Object.entries(value.metadata as JsonObject).filter(([key]) => key !== 'namespace');
      cases.push(await ask(kube, seeds, { ...value, metadata: Object.fromEntries(metadata) }));
    }
    expect(cases.length).toBeGreaterThan(40);
    report('conformance vectors', cases);
  });

  it.each([OLD_ADMIN_NETWORK_POLICY, OLD_BASELINE_ADMIN_NETWORK_POLICY])('over mutations of $title', async (seeds) => {
    for (const crd of definitions('v1alpha1-v0.1.0-samelabels')) await kube.define(crd);
    // The new schema is in force once its fields are known.
    for (let tries = 0; tries < 200; tries++) {
      const answer = await ask(kube, seeds, seedObjects(seeds)[0] as JsonObject);
      if (answer.server.unknown.length === 0 && !answer.server.refused) break;
      await new Promise((wake) => setTimeout(wake, 50));
    }
    // An object that shows no field of the old shape is judged by the last one.
    await compare(seeds, Math.ceil(share / 2), (value) => /ameLabels":/.test(JSON.stringify(value)));
  });

  it('has met every known difference, so that none stays in the list for nothing', () => {
    expect(DIFFERENCES.map(({ reason }) => reason).filter((reason) => !met.has(reason))).toEqual([]);
  });

  it('has made the server say everything it can say', () => {
    expect(REACHED.filter((text) => ![...heard].some((said) => said.includes(text)))).toEqual([]);
  });
});

function invalidVectors(): JsonObject[] {
  const root = join(sharedDir, 'conformance');
  const objects: JsonObject[] = [];
  for (const suite of readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
    for (const name of readdirSync(join(root, suite.name)).filter((entry) => entry.endsWith('.invalid'))) {
      const dir = join(root, suite.name, name, 'manifests');
      if (!existsSync(dir)) continue;
      for (const file of readdirSync(dir)) {
        for (const document of parseAllDocuments(readFileSync(join(dir, file), 'utf8'))) {
          if ('errors' in document && document.errors.length === 0) objects.push(document.toJS() as JsonObject);
        }
      }
    }
  }
  return objects.filter((object) => typeof object === 'object' && object !== null);
}
