import { isFault, type Kernel, type KernelFault } from '../io/kernel.ts';
import type { TableContent } from '../targets/nftables/table.ts';
import type { Clock } from './clock.ts';
import { type Closed, closedPolicies } from './closed-policies.ts';
import { type Change, type Compiler, hand, handAll } from './compiler.ts';
import { findCulprits } from './culprits.ts';
import type { Observer } from './observer.ts';
import type { AgentState, Batch } from './state.ts';

/** May change while the loop runs. */
export interface Timing {
  /** How long the first event waits for others. */
  readonly coalesceMs: number;
  /** How long it waits at most, while others keep coming. */
  readonly coalesceLimitMs: number;
  /** How often the whole table is read back. */
  readonly verifyMs: number;
  /** How often somebody looks whether the table is there at all. */
  readonly canaryMs: number;
}

export interface LoopOptions {
  readonly state: AgentState;
  /** An empty compiler; called again where the last one cannot be relied on any more. */
  readonly makeCompiler: () => Compiler;
  readonly kernel: Kernel;
  readonly parse: (text: string) => TableContent | { readonly error: string; readonly line: number };
  readonly timing: () => Timing;
  readonly clock: Clock;
  readonly observer: Observer;
  /** Does nothing but say whether our table is there. */
  readonly canary: string;
}

/** How the loop stands. Times are those of its clock. */
export interface LoopStatus {
  /** The kernel has had what it should at least once. */
  readonly synced: boolean;
  readonly lastSuccess: number | null;
  /** Since when something waits to get into the kernel. */
  readonly pendingSince: number | null;
  /** Since when the present piece of work has come no further. */
  readonly workingSince: number | null;
  readonly failure: string | null;
  readonly failedPolicies: readonly string[];
  /** `wall()` of the last success: a sync, or the table was found in place. */
  readonly lastSuccessWall: number | null;
}

/** Keeps the kernel's table equal to what the compiler wants. */
export interface Loop {
  /** From now on the kernel may be written: everything that is watched was listed once. */
  start(): void;
  /** Something has changed. */
  changed(): void;
  /** What the compiler is made with has changed. */
  recompile(reason: string): void;
  status(): LoopStatus;
  compiler(): Compiler;
  /** Ends after the work at hand; the table stays. */
  stop(): Promise<void>;
  /** Resolves when nothing is left to do, or a sync has failed. */
  idle(): Promise<void>;
}

const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 30_000;
/** Events that follow each other within this time belong together. */
const QUIET_MS = 10;
const MOST_LATENCIES = 1000;
/** For nodes that come and go, everything is compiled anew at most one part in so many of the time. */
const NODES_SHARE = 10;
/** After a sync, the next one waits this many times as long as it took, but never beyond the limit. */
const REST = 3;
/** Reading the table back may take one part in so many of the time. */
const READING_SHARE = 50;

/** A loop that has not been started. */
export function syncLoop(options: LoopOptions): Loop {
  const { state, kernel, clock, observer, timing } = options;
  let compiler = options.makeCompiler();
  const closed: Closed = closedPolicies(clock);
  let started = false;
  let stopped = false;
  let working: Promise<void> | null = null;
  let workingSince: number | null = null;
  let cancelTimer: (() => void) | null = null;

  let firstEvent: number | null = null;
  let lastEvent = 0;
  let waiting = newEvents();
  /** What was taken out of the state and is not in the kernel yet. */
  let underWay = newEvents();

  /** Whether the kernel is believed to have what the compiler thinks it has; `routine`: it is time to look whether it does. */
  let trust: 'yes' | 'routine' | 'no' = 'no';
  /** The compiler must be given everything again, and why. */
  let anew: string | null = null;
  /** Another compiler must be made, and why. */
  let renewal: string | null = null;
  /** Until then, changes wait for others, so that many of them do not mean nft all the time. */
  let restUntil = 0;
  /** Until then, changed nodes wait. */
  let nodesAt = 0;
  let retryAt: number | null = null;
  let retryMs = FIRST_RETRY_MS;
  let verifyAt = 0;
  let canaryAt = 0;

  /** Policies that were closed, and are opened with the next sync. */
  const trying = new Set<string>();

  let synced = false;
  let lastSuccess: number | null = null;
  let lastSuccessWall: number | null = null;
  let failure: string | null = null;
  let failingSince: number | null = null;
  let idlers: (() => void)[] = [];

  function dueAt(): number {
    // Until then nothing else is done, whatever is due.
    if (retryAt !== null) return retryAt;
    const { coalesceMs, coalesceLimitMs } = timing();
    const times = [verifyAt, canaryAt];
    if (firstEvent !== null) {
      const together = Math.max(firstEvent + coalesceMs, lastEvent + QUIET_MS, restUntil);
      times.push(Math.min(firstEvent + coalesceLimitMs, together));
    } else if (anew !== null || renewal !== null) times.push(0);
    if (state.leftOut()) times.push(nodesAt);
    const again = closed.nextTry();
    if (again !== null) times.push(again);
    return Math.min(...times);
  }

  function schedule(): void {
    if (!started || stopped || working !== null) return;
    cancelTimer?.();
    cancelTimer = clock.after(Math.max(0, dueAt() - clock.now()), () => {
      cancelTimer = null;
      workingSince = clock.now();
      working = work()
        .catch(unexpected)
        .finally(() => {
          working = null;
          workingSince = null;
          if (isIdle()) wakeIdlers();
          schedule();
        });
    });
  }

  /** We are wrong somewhere: everything is begun again, and the table stays until that has worked. */
  function unexpected(error: unknown): void {
    trust = 'no';
    anew ??= 'exception';
    fail(`unexpected: ${String(error)}`);
  }

  function isIdle(): boolean {
    if (stopped || retryAt !== null) return true;
    return started && synced && firstEvent === null && renewal === null && !state.pending();
  }

  function wakeIdlers(): void {
    for (const wake of idlers) wake();
    idlers = [];
  }

  async function work(): Promise<void> {
    const now = clock.now();
    if (synced && canaryAt <= now && verifyAt > now) await lookForTable();
    if (verifyAt <= now) doubt();
    const tried = closed.takeDue();
    for (const id of tried) trying.add(id);
    if (
      firstEvent !== null ||
      retryAt !== null ||
      anew !== null ||
      renewal !== null ||
      trust !== 'yes' ||
      trying.size > 0 ||
      (state.leftOut() && nodesAt <= now)
    ) {
      await sync();
    }
  }

  /** Looking for culprits takes hundreds of runs of nft: work that goes on does not hang. */
  function cameFurther(): void {
    if (workingSince !== null) workingSince = clock.now();
  }

  function doubt(): void {
    if (trust === 'yes') trust = 'routine';
  }

  async function lookForTable(): Promise<void> {
    canaryAt = clock.now() + timing().canaryMs;
    const fault = await kernel.check(options.canary);
    if (fault?.kind === 'refused') doubt();
    else if (fault === null && trust === 'yes' && failure === null) wentWell();
  }

  function wentWell(): void {
    lastSuccess = clock.now();
    lastSuccessWall = clock.wall();
  }

  async function sync(): Promise<void> {
    const begun = clock.now();
    if (renewal !== null) {
      compiler = options.makeCompiler();
      trust = 'no';
      anew = renewal;
      renewal = null;
    }
    // Before anything is compiled: what is found tells which numbers to go on with, and what somebody else has changed.
    const unread = trust === 'yes' ? null : await reread();
    if (unread !== null) {
      fail(textOf(unread));
      return;
    }
    const compileMs = await compile(takeBatch());
    if (compileMs === null) return;
    const outcome = await bring();
    if (outcome.kind === 'failed') {
      fail(outcome.message);
      return;
    }
    const now = clock.now();
    synced = true;
    restUntil = now + REST * (now - begun);
    wentWell();
    failure = null;
    failingSince = null;
    retryAt = null;
    retryMs = FIRST_RETRY_MS;
    for (const id of trying) if (!closed.has(id)) observer.policyHealed(id);
    trying.clear();
    if (compiler.isOvergrown()) renewal ??= 'overgrown';
    const wall = clock.wall();
    observer.committed({
      changes: outcome.changes,
      tightens: outcome.tightens,
      replaced: outcome.replaced,
      compileMs,
      nftMs: now - begun - compileMs,
      latencies: underWay.arrivals.map((at) => now - at),
      events: underWay.count,
      sinceCreation: underWay.created.map((at) => Math.max(0, wall - at)),
    });
    underWay = newEvents();
  }

  function takeBatch(): Batch {
    firstEvent = null;
    const batch = state.drain(anew === null && clock.now() < nodesAt ? 'without-nodes' : 'everything');
    const created: number[] = [];
    for (const notice of batch.notices) observer.noticed(notice);
    for (const { before, after } of batch.policies) {
      const id = (after ?? before)?.id;
      if (id === undefined) continue;
      if (closed.forget(id)) observer.policyHealed(id);
      const at = state.policyObject(id)?.created ?? null;
      if (synced && before === null && at !== null) created.push(at);
    }
    underWay = together(underWay, { ...waiting, created });
    waiting = newEvents();
    return batch;
  }

  /** How long it took; `null` if that is impossible, which has been said. */
  async function compile(batch: Batch): Promise<number | null> {
    const begun = clock.now();
    const reasons = [...batch.reload, ...(anew === null ? [] : [anew])];
    compiler.close(closed.ids());
    try {
      if (anew === null) hand(batch, compiler, state);
      else handAll(compiler, state);
    } catch (error) {
      reasons.push('exception');
      observer.failed(`compiling failed, and is begun again: ${String(error)}`, 0);
      const again = await compileAgain();
      if (again !== null) {
        anew = 'exception';
        fail(again);
        return null;
      }
    }
    anew = null;
    const ms = clock.now() - begun;
    if (reasons.length > 0) {
      nodesAt = clock.now() + NODES_SHARE * ms;
      observer.loaded(reasons, ms);
    }
    return ms;
  }

  async function compileAgain(): Promise<string | null> {
    compiler = options.makeCompiler();
    const unread = await reread();
    if (unread !== null) return textOf(unread);
    compiler.close(closed.ids());
    try {
      handAll(compiler, state);
      return null;
    } catch (error) {
      trust = 'no';
      return `compiling failed: ${String(error)}`;
    }
  }

  function fail(message: string): void {
    failure = message;
    failingSince ??= clock.now();
    retryAt = clock.now() + retryMs;
    observer.failed(message, retryMs);
    retryMs = Math.min(2 * retryMs, LONGEST_RETRY_MS);
  }

  type Outcome =
    | { readonly kind: 'fine'; readonly changes: number; readonly tightens: boolean; readonly replaced: boolean }
    | { readonly kind: 'failed'; readonly message: string };

  /** Brings the kernel to what is wanted, by the smallest means that work. */
  async function bring(): Promise<Outcome> {
    if (!compiler.desired.pending()) return { kind: 'fine', changes: 0, tightens: false, replaced: false };
    const first = compiler.desired.transaction();
    const fault = await apply(first);
    if (fault === null) return done(first, false);
    if (fault.kind === 'broken') return failed(fault);
    // Perhaps the kernel has something else than was thought.
    const unreadAgain = await reread();
    if (unreadAgain !== null) return failed(unreadAgain);
    if (!compiler.desired.pending()) return { kind: 'fine', changes: 0, tightens: false, replaced: false };
    const second = compiler.desired.transaction();
    const secondFault = await apply(second);
    if (secondFault === null) return done(second, false);
    if (secondFault.kind === 'broken') return failed(secondFault);
    return (await replace()) ?? closeCulprits(secondFault);
  }

  async function replace(): Promise<Outcome | null> {
    const whole = compiler.desired.replaceAll();
    const fault = await apply(whole);
    if (fault === null) return done(whole, true);
    trust = 'no';
    return fault.kind === 'broken' ? failed(fault) : null;
  }

  /** Finds the policies that the kernel does not take, and closes their pods, so that all others are served. */
  async function closeCulprits(fault: KernelFault): Promise<Outcome> {
    const suspects = state.policyIds().filter((id) => !closed.has(id));
    const found = await findCulprits(suspects, async (closing) => {
      // It may take minutes; the next agent looks for them itself.
      if (stopped) return { kind: 'broken', message: 'the agent ends', signal: null };
      compiler.close(new Set([...closed.ids(), ...closing]));
      compiler.settle();
      const answer = await kernel.check(compiler.desired.replaceAll().text);
      cameFurther();
      return answer;
    });
    if (found.kind !== 'found') {
      compiler.close(closed.ids());
      compiler.settle();
      trust = 'no';
      return failed(found.kind === 'broken' ? found.fault : fault);
    }
    for (const id of found.culprits) {
      closed.add(id);
      if (!trying.delete(id)) observer.policyFailed(id, textOf(fault));
    }
    compiler.close(closed.ids());
    compiler.settle();
    const whole = compiler.desired.replaceAll();
    const last = await apply(whole);
    return last === null ? done(whole, true) : failed(last);
  }

  /** Reads the table, so that what is thought of the kernel is true again. `null` if that worked. */
  async function reread(): Promise<KernelFault | null> {
    const begun = clock.now();
    const answer = await kernel.list();
    cameFurther();
    const now = clock.now();
    // Changes wait meanwhile: a table that takes long to read is read less often.
    verifyAt = now + Math.max(timing().verifyMs, READING_SHARE * (now - begun));
    canaryAt = now + timing().canaryMs;
    if (isFault(answer)) {
      observer.ran(answer.kind, 0);
      trust = 'no';
      return answer;
    }
    const { text } = answer;
    const content = text === null ? null : options.parse(text);
    if (content !== null && 'error' in content) {
      // Nothing of it can be taken over: rebasing on nothing replaces it as a whole.
      compiler.desired.rebase(null);
      observer.drifted('unreadable', [`line ${content.line}: ${content.error}`]);
    } else {
      const { drift } = compiler.desired.rebase(content);
      if (trust === 'routine' && drift.length > 0) observer.drifted(content === null ? 'gone' : 'changed', drift);
    }
    trust = 'yes';
    return null;
  }

  async function apply(change: Change): Promise<KernelFault | null> {
    const begun = clock.now();
    // It is part of the change as well: if the kernel does not take it alone, the change brings it.
    if (change.ahead !== '') await kernel.apply(change.ahead);
    const fault = await kernel.apply(change.text);
    cameFurther();
    observer.ran(fault?.kind ?? 'ok', clock.now() - begun);
    if (fault === null) compiler.desired.commit();
    else trust = 'no';
    return fault;
  }

  function done(change: Change, replaced: boolean): Outcome {
    trust = 'yes';
    const { changes, tightens } = change;
    return { kind: 'fine', changes, tightens, replaced };
  }

  function failed(fault: KernelFault): Outcome {
    trust = 'no';
    return { kind: 'failed', message: textOf(fault) };
  }

  return {
    start() {
      if (started) return;
      started = true;
      firstEvent ??= clock.now();
      lastEvent = firstEvent;
      schedule();
    },

    changed() {
      const now = clock.now();
      firstEvent ??= now;
      lastEvent = now;
      waiting.count++;
      if (started && waiting.arrivals.length < MOST_LATENCIES) waiting.arrivals.push(now);
      schedule();
    },

    recompile(reason) {
      renewal = reason;
      schedule();
    },

    status: () => ({
      synced,
      lastSuccess,
      lastSuccessWall,
      pendingSince: earliest(underWay.arrivals[0] ?? null, firstEvent, failingSince),
      workingSince,
      failure,
      failedPolicies: [...closed.ids()],
    }),

    compiler: () => compiler,

    async stop() {
      stopped = true;
      cancelTimer?.();
      await working;
      wakeIdlers();
    },

    idle() {
      if (working === null && isIdle()) return Promise.resolve();
      return new Promise((resolve) => {
        idlers.push(resolve);
      });
    },
  };
}

/** Events that have led to a sync, or will. */
interface Events {
  count: number;
  /** When they came; of many, those of the first. */
  readonly arrivals: number[];
  /** When the API server made the policies that are new. */
  readonly created: readonly number[];
}

function newEvents(): Events {
  return { count: 0, arrivals: [], created: [] };
}

function together(a: Events, b: Events): Events {
  return {
    count: a.count + b.count,
    arrivals: [...a.arrivals, ...b.arrivals].slice(0, MOST_LATENCIES),
    created: [...a.created, ...b.created].slice(0, MOST_LATENCIES),
  };
}

function earliest(...times: readonly (number | null)[]): number | null {
  return times.reduce((a, b) => (a === null || b === null ? (a ?? b) : Math.min(a, b)), null);
}

function textOf(fault: KernelFault): string {
  if (fault.kind === 'broken') return fault.message;
  const where = fault.line === null ? '' : ` (line ${fault.line})`;
  return `nft refuses${where}: ${fault.message}${fault.excerpt === null ? '' : `: \`${fault.excerpt}\``}`;
}
