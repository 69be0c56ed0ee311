import { isList, isObject } from '../kinds/decoding.ts';
import type { Fragment, TierSlot } from '../kinds/kind.ts';
import type { JsonObject, KubeObject } from '../manifest/object.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { ObjectRef } from '../model/origin.ts';
import type { Policy } from '../model/program.ts';
import { digestOf, keyOf, originOf, type SeenPolicy, seenPolicy } from './objects.ts';

/** `before` is what was given out last; both are of one tier. */
export interface PolicyChange {
  readonly tier: TierSlot;
  readonly before: Policy | null;
  readonly after: Policy | null;
}

/** What there is to say of an object; nothing any more where the list is empty. */
export interface Notice {
  readonly object: ObjectRef;
  readonly diagnostics: readonly Diagnostic[];
}

/** What is known of a policy's object besides its meaning. */
export interface PolicyObject {
  readonly ref: ObjectRef;
  readonly uid: string | null;
  /** `metadata.creationTimestamp` in milliseconds since 1970; `null` where there is none. */
  readonly created: number | null;
  /** The nodes that say in a condition of it that it fails there. */
  readonly marks: readonly string[];
}

/** The type of such a condition, before the name of the node. */
export const MARK = 'rampart.dev/enforced.';

interface Entry {
  seen: SeenPolicy | null;
  given: Fragment | null;
}

/** The policies of the cluster, lowered; what has changed of them is collected until it is asked for. */
export interface PolicyTable {
  put(object: KubeObject, notices: Notice[]): void;
  /** Removes it, unless it is another one by now than that of the uid. */
  remove(kind: string, key: string, uid: string | null, notices: Notice[]): void;
  /** Removes every policy of the kind whose key is not among these. */
  keep(kind: string, keys: ReadonlySet<string>, notices: Notice[]): void;
  pending(): boolean;
  drain(): readonly PolicyChange[];
  /** The policies as they were last given out. */
  given(): readonly Fragment[];
  /** The object that the policy of that id was made from. */
  objectOf(id: string): PolicyObject | null;
  /** The policies that have marks. */
  marked(): ReadonlyMap<string, PolicyObject>;
  size(): number;
}

/** An empty table of policies. */
export function policyTable(): PolicyTable {
  const kinds = new Map<string, Map<string, Entry>>();
  const dirty = new Set<Entry>();
  const objects = new Map<string, PolicyObject>();
  const marked = new Map<string, PolicyObject>();

  function know(id: string, object: PolicyObject): void {
    objects.set(id, object);
    if (object.marks.length > 0) marked.set(id, object);
    else marked.delete(id);
  }

  function removeFrom(entries: Map<string, Entry>, key: string, notices: Notice[]): void {
    const entry = entries.get(key);
    if (entry === undefined) return;
    entries.delete(key);
    const { seen } = entry;
    if (seen !== null) {
      objects.delete(seen.fragment.policy.id);
      marked.delete(seen.fragment.policy.id);
      if (seen.diagnostics.length > 0) notices.push({ object: seen.fragment.policy.origin.object, diagnostics: [] });
    }
    entry.seen = null;
    if (entry.given === null) dirty.delete(entry);
    else dirty.add(entry);
  }

  return {
    put(object, notices) {
      const { kind } = object.ref;
      const key = keyOf(object.ref);
      const entries = kinds.get(kind) ?? new Map<string, Entry>();
      kinds.set(kind, entries);
      const entry = entries.get(key);
      const digest = digestOf(object);
      if (entry !== undefined && entry.seen?.digest === digest) {
        // It may have been made anew, in the same words.
        entry.seen = { ...entry.seen, ...originOf(object) };
        know(entry.seen.fragment.policy.id, objectOf(object, entry.seen));
        return;
      }
      const seen = seenPolicy(object, digest);
      if (seen === null) return;
      const known = entry ?? { seen: null, given: null };
      const before = known.seen?.diagnostics.length ?? 0;
      if (seen.diagnostics.length > 0 || before > 0) {
        notices.push({ object: object.ref, diagnostics: seen.diagnostics });
      }
      known.seen = seen;
      entries.set(key, known);
      know(seen.fragment.policy.id, objectOf(object, seen));
      dirty.add(known);
    },

    remove(kind, key, uid, notices) {
      const entries = kinds.get(kind);
      const known = entries?.get(key)?.seen?.uid ?? null;
      if (entries === undefined || (uid !== null && known !== null && uid !== known)) return;
      removeFrom(entries, key, notices);
    },

    keep(kind, keys, notices) {
      const entries = kinds.get(kind);
      if (entries === undefined) return;
      for (const key of [...entries.keys()]) if (!keys.has(key)) removeFrom(entries, key, notices);
    },

    pending: () => dirty.size > 0,

    drain() {
      const changes: PolicyChange[] = [];
      for (const entry of dirty) {
        const { given } = entry;
        const next = entry.seen?.fragment ?? null;
        entry.given = next;
        if (given !== null && next !== null && given.slot === next.slot) {
          changes.push({ tier: given.slot, before: given.policy, after: next.policy });
          continue;
        }
        if (given !== null) changes.push({ tier: given.slot, before: given.policy, after: null });
        if (next !== null) changes.push({ tier: next.slot, before: null, after: next.policy });
      }
      dirty.clear();
      return changes;
    },

    given: () =>
      [...kinds.values()].flatMap((entries) =>
        [...entries.values()].flatMap(({ given }) => (given === null ? [] : [given])),
      ),

    objectOf: (id) => objects.get(id) ?? null,
    marked: () => marked,
    size: () => [...kinds.values()].reduce((sum, entries) => sum + entries.size, 0),
  };
}

function objectOf({ ref, value }: KubeObject, { uid, created }: SeenPolicy): PolicyObject {
  return { ref, uid, created, marks: marksOf(value) };
}

const NO_MARKS: readonly string[] = [];

function marksOf({ status }: JsonObject): readonly string[] {
  const conditions = isObject(status) ? status.conditions : undefined;
  if (!isList(conditions)) return NO_MARKS;
  const types = conditions.flatMap((condition) => (isObject(condition) ? (condition.type ?? []) : []));
  return types.flatMap((type) => (typeof type === 'string' && type.startsWith(MARK) ? type.slice(MARK.length) : []));
}
