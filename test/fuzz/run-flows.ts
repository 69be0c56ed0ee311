/** The long comparison of the interpreters: clusters from a seed, until so many flows have been asked. */
import fc from 'fast-check';
import { dice } from '../manifest/mutations.ts';
import { compareFlows, comparePairs, newTally, type Tally } from '../properties/agreement.ts';
import { type World, worlds } from '../properties/generators.ts';
import { read } from '../properties/world.ts';

export interface FlowRun {
  readonly flows: number;
  readonly seed: number;
  /** Called now and then with the number of flows so far. */
  readonly onProgress?: (flows: number) => void;
}

export interface FlowFailure {
  /** The smallest world found in which the interpreters disagree. */
  readonly world: World;
  readonly disagreements: readonly string[];
  /** A run with this seed meets the same world at its beginning. */
  readonly seed: number;
}

export interface FlowResult {
  readonly flows: number;
  /** Questions about all pods of two workloads at once. */
  readonly pairs: number;
  readonly clusters: number;
  readonly tally: Tally;
  readonly failure: FlowFailure | null;
}

const CLUSTERS_AT_ONCE = 25;
const FLOWS_PER_CLUSTER = 100;
const PAIRS_PER_CLUSTER = 24;

/** Compares all interpreters over generated clusters; a disagreement is shrunk. Equal seeds meet equal clusters. */
export function runFlows({ flows, seed, onProgress }: FlowRun): FlowResult {
  const tally = newTally();
  let asked = 0;
  let pairs = 0;
  let clusters = 0;
  for (let chunk = 0; asked < flows; chunk++) {
    let disagreements: readonly string[] = [];
    const property = fc.property(fc.noBias(worlds), fc.nat({ max: 0x7fffffff }), (world, salt) => {
      const input = read(world.objects, world.missing);
      const single = compareFlows(input, dice(salt), FLOWS_PER_CLUSTER, tally);
      const several = comparePairs(input, { roll: dice(salt + 1), count: PAIRS_PER_CLUSTER });
      asked += single.flows;
      pairs += several.flows;
      clusters++;
      const found = [...single.disagreements, ...several.disagreements];
      if (found.length > 0) disagreements = found;
      return found.length === 0;
    });
    const result = fc.check(property, { seed: seed + chunk, numRuns: CLUSTERS_AT_ONCE });
    if (result.failed) {
      const world = result.counterexample?.[0] ?? { objects: [], missing: [] };
      const thrown = result.errorInstance instanceof Error ? [String(result.errorInstance.stack)] : [];
      return {
        flows: asked,
        pairs,
        clusters,
        tally,
        failure: { world, disagreements: [...disagreements, ...thrown].slice(0, 20), seed: seed + chunk },
      };
    }
    onProgress?.(asked);
  }
  return { flows: asked, pairs, clusters, tally, failure: null };
}
