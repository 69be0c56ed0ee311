import type { Cidr } from '../base/ip.ts';
import type { Cluster, Namespace, Pod } from '../model/cluster.ts';
import type { Policy, PolicyProgram } from '../model/program.ts';
import type { TableContent } from '../targets/nftables/table.ts';
import type { AgentState, Batch } from './state.ts';

/** What the loop needs of `DesiredTable`. */
export interface Desired {
  content(): TableContent;
  pending(): boolean;
  transaction(): Change;
  commit(): void;
  rebase(actual: TableContent | null): { readonly drift: readonly string[] };
  replaceAll(): Change;
}

/** A transaction: what nft is given, and what it does. */
export interface Change {
  /** What nft is given before, if anything: no packet meets it yet. */
  readonly ahead: string;
  readonly text: string;
  readonly tightens: boolean;
  readonly changes: number;
}

export interface CompilerStats {
  readonly localPods: number;
  readonly subjects: number;
  readonly identities: number;
  readonly elements: number;
}

/** What the loop needs of `NodeCompiler`. */
export interface Compiler {
  readonly desired: Desired;
  load(cluster: Cluster, program: PolicyProgram): void;
  /** One in which no pod was since `load`. */
  addNamespace(namespace: Namespace): void;
  replacePod(before: Pod | null, after: Pod | null): void;
  replacePolicy(tier: string, before: Policy | null, after: Policy | null): void;
  setPodRanges(ranges: readonly Cidr[]): void;
  close(policies: ReadonlySet<string>): void;
  settle(): void;
  /** Whether a new one would be much smaller. */
  isOvergrown(): boolean;
  stats(): CompilerStats;
}

/** Hands a batch to the compiler: what has changed, or everything where that does not say it all. */
export function hand(batch: Batch, compiler: Compiler, state: AgentState): void {
  if (batch.podRanges !== null) compiler.setPodRanges(batch.podRanges);
  if (batch.reload.length > 0) handAll(compiler, state);
  else {
    for (const namespace of batch.namespaces) compiler.addNamespace(namespace);
    for (const { before, after } of batch.pods) compiler.replacePod(before, after);
    for (const { tier, before, after } of batch.policies) compiler.replacePolicy(tier, before, after);
  }
  compiler.settle();
}

/** Hands everything that is known to the compiler. */
export function handAll(compiler: Compiler, state: AgentState): void {
  const { cluster, program } = state.snapshot();
  compiler.setPodRanges(state.podRanges());
  compiler.load(cluster, program);
  compiler.settle();
}
