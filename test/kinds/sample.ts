import { parse } from 'yaml';
import { kindOf, type PolicyReading, readPolicies } from '../../src/kinds/registry.ts';
import type { JsonObject, KubeObject } from '../../src/manifest/object.ts';
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import type { EndpointMatch, Match } from '../../src/model/match.ts';
import type { Policy, Rule } from '../../src/model/program.ts';

/** An object as a reader of manifests would hand it on. */
export function objectOf(value: JsonObject): KubeObject {
  const { apiVersion, kind, metadata } = value as {
    readonly apiVersion: string;
    readonly kind: string;
    readonly metadata?: { readonly name?: string; readonly namespace?: string };
  };
  const namespaced = kindOf(apiVersion, kind)?.namespaced ?? true;
  return {
    ref: {
      apiVersion,
      kind,
      namespace: namespaced ? (metadata?.namespace ?? 'default') : null,
      name: metadata?.name ?? '',
      source: null,
    },
    value,
  };
}

/** The object that a YAML text describes. */
export function objectIn(yaml: string): KubeObject {
  return objectOf(parse(yaml) as JsonObject);
}

export interface Lowered {
  readonly slot: string;
  readonly policy: Policy;
  readonly diagnostics: readonly Diagnostic[];
}

/** Lowers the policy in a YAML text without validating it first. */
export function lowerYaml(yaml: string): Lowered {
  return lowerObject(objectIn(yaml));
}

export function lowerObject(object: KubeObject): Lowered {
  const kind = kindOf(object.ref.apiVersion, object.ref.kind);
  if (kind === null) throw new Error(`no such kind: ${object.ref.apiVersion} ${object.ref.kind}`);
  const { fragment, diagnostics } = kind.lower(object);
  return { slot: fragment.slot, policy: fragment.policy, diagnostics };
}

export function readYaml(...yamls: readonly string[]): PolicyReading {
  return readPolicies(yamls.map(objectIn));
}

function head(apiVersion: string, kind: string, metadata: string, spec: string): string {
  const body = spec.trim().split('\n');
  const indent = /^ */.exec(spec.replace(/^\n/, ''))?.[0].length ?? 0;
  const lines = spec
    .replace(/^\n/, '')
    .split('\n')
    .map((line) => `  ${line.slice(indent)}`);
  const text = body.length === 0 || spec.trim() === '' ? ' {}' : `\n${lines.join('\n')}`;
  return `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: ${metadata}\nspec:${text}\n`;
}

/** A NetworkPolicy `shop/web` with this spec. */
export function networkPolicy(spec: string): string {
  return head('networking.k8s.io/v1', 'NetworkPolicy', '{ name: web, namespace: shop }', spec);
}

/** An AdminNetworkPolicy `lead` with this spec. */
export function adminNetworkPolicy(spec: string): string {
  return head('policy.networking.k8s.io/v1alpha1', 'AdminNetworkPolicy', '{ name: lead }', spec);
}

/** The BaselineAdminNetworkPolicy with this spec. */
export function baselineAdminNetworkPolicy(spec: string): string {
  return head('policy.networking.k8s.io/v1alpha1', 'BaselineAdminNetworkPolicy', '{ name: default }', spec);
}

/** A ClusterNetworkPolicy `guard` with this spec. */
export function clusterNetworkPolicy(spec: string): string {
  return head('policy.networking.k8s.io/v1alpha2', 'ClusterNetworkPolicy', '{ name: guard }', spec);
}

export function matches(policy: Policy): readonly Match[] {
  return policy.rules.map((rule) => rule.match);
}

/** The only rule of a policy. */
export function onlyRule(policy: Policy): Rule {
  const [rule] = policy.rules;
  if (policy.rules.length !== 1 || rule === undefined) throw new Error(`${policy.rules.length} rules`);
  return rule;
}

/** The only peer of the only rule of a policy. */
export function onlyPeer(policy: Policy): EndpointMatch {
  const { peers } = onlyRule(policy).match;
  const [peer] = peers;
  if (peers.length !== 1 || peer === undefined) throw new Error(`${peers.length} peers`);
  return peer;
}

/** `field: message` of each diagnostic. */
export function complaints(diagnostics: readonly Diagnostic[]): readonly string[] {
  return diagnostics.map(({ origin, message }) => `${origin?.field ?? ''}: ${message}`);
}
