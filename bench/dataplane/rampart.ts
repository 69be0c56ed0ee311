/** What the node agent would load for a shape of cluster. */
import { type Input, inputOf } from '../../src/input/input.ts';
import type { JsonObject } from '../../src/manifest/object.ts';
import { DEFAULT_LAYOUT } from '../../src/targets/nftables/layout.ts';
import { NodeCompiler } from '../../src/targets/nftables/node-compiler.ts';
import { kubeObject } from '../suite/loaded.ts';
import { NODE, objectsOf, type Shape } from './shape.ts';

export interface Compiled {
  readonly compiler: NodeCompiler;
  readonly input: Input;
}

/** Objects with their meaning; throws if anything was not understood. */
export function understood(objects: readonly JsonObject[]): Input {
  const input = inputOf(objects.map(kubeObject));
  const [problem] = input.diagnostics;
  if (problem !== undefined) throw new Error(`a generated cluster is not understood: ${problem.message}`);
  return input;
}

/** The compiler of the measured node with all of a shape. */
export function compiled(shape: Shape): Compiled {
  const input = understood(objectsOf(shape));
  const compiler = new NodeCompiler({ node: NODE, layout: DEFAULT_LAYOUT });
  compiler.load(input.cluster, input.program);
  compiler.settle();
  return { compiler, input };
}
