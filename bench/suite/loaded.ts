/** Clusters in memory, as the watch of a live cluster leaves them, and what the engine makes of them. */
import { CompiledProgram } from '../../src/engine/compiled/compile.ts';
import { type Input, inputOf } from '../../src/input/input.ts';
import type { JsonObject, KubeObject } from '../../src/manifest/object.ts';
import type { Pod } from '../../src/model/cluster.ts';
import { type ClusterOptions, generateCluster } from '../generate.ts';
import { timed } from './measure.ts';

const CLUSTER_SCOPED = new Set(['Namespace', 'Node', 'ClusterNetworkPolicy', 'AdminNetworkPolicy']);

/** An object by itself: decoded from its text, so that it shares nothing with others. */
export function kubeObject(object: JsonObject): KubeObject {
  const value = JSON.parse(JSON.stringify(object)) as JsonObject;
  const { apiVersion, kind, metadata } = value as {
    readonly apiVersion: string;
    readonly kind: string;
    readonly metadata: { readonly name: string; readonly namespace?: string };
  };
  const namespace = CLUSTER_SCOPED.has(kind) ? null : (metadata.namespace ?? 'default');
  return { ref: { apiVersion, kind, namespace, name: metadata.name, source: null }, value };
}

/** The objects of a generated cluster. */
export function objectsInMemory(options: ClusterOptions): readonly KubeObject[] {
  return generateCluster(options).map(kubeObject);
}

export interface LoadedProgram {
  readonly objects: readonly KubeObject[];
  readonly input: Input;
  readonly compiled: CompiledProgram;
  /** Milliseconds until the objects had their meaning; the rest is compiling. */
  readonly inputMs: number;
}

/** Loads and compiles; throws if anything was not understood. */
export function loadProgram(objects: readonly KubeObject[]): LoadedProgram {
  const { ms: inputMs, value: input } = timed(() => inputOf(objects));
  const problem = input.diagnostics[0];
  if (problem !== undefined) throw new Error(`a generated cluster is not understood: ${problem.message}`);
  return { objects, input, compiled: new CompiledProgram(input.program, input.cluster), inputMs };
}

export function podsOf(input: Input): readonly Pod[] {
  return input.cluster.workloads.flatMap(({ pods }) => pods);
}

/** The first of a list that fits; throws where none does. */
export function theFirst<T>(list: Iterable<T>, fits: (one: T) => boolean, what: string): T {
  for (const one of list) if (fits(one)) return one;
  throw new Error(`the generated cluster has no ${what}`);
}
