import type { Pod, Workload } from '../model/cluster.ts';
import type { Labels } from '../model/selector.ts';

/** Pods of one namespace that share their label set. */
interface LabelGroup {
  readonly labels: Labels;
  readonly pods: Pod[];
}

interface NamespacePods {
  readonly pods: Pod[];
  /** Label groups by key, then value; made when the namespace is first asked about. */
  groups: Map<string, Map<string, LabelGroup[]>> | null;
}

/** Finds the pods that a label set selects without looking at all of them. */
export interface PodSelection {
  readonly workloads: readonly Workload[];
  /** Made when it is first asked for. */
  namespaces: ReadonlyMap<string, NamespacePods> | null;
}

export function podSelection(workloads: readonly Workload[]): PodSelection {
  return { workloads, namespaces: null };
}

function podsByNamespace(workloads: readonly Workload[]): ReadonlyMap<string, NamespacePods> {
  const namespaces = new Map<string, NamespacePods>();
  for (const workload of workloads) {
    let of = namespaces.get(workload.namespace);
    if (of === undefined) {
      of = { pods: [], groups: null };
      namespaces.set(workload.namespace, of);
    }
    for (const pod of workload.pods) of.pods.push(pod);
  }
  return namespaces;
}

/** The pods of a namespace that carry all these labels (at least one); in an order that depends on the input alone. */
export function selectPods(selection: PodSelection, namespace: string, wanted: Labels): readonly Pod[] {
  selection.namespaces ??= podsByNamespace(selection.workloads);
  const of = selection.namespaces.get(namespace);
  if (of === undefined) return [];
  of.groups ??= groupsOf(of.pods);
  let fewest: readonly LabelGroup[] | null = null;
  for (const [key, value] of wanted) {
    const groups = of.groups.get(key)?.get(value);
    if (groups === undefined) return [];
    if (fewest === null || groups.length < fewest.length) fewest = groups;
  }
  if (fewest === null) return [];
  const out: Pod[] = [];
  for (const group of fewest) {
    if (!carries(group.labels, wanted)) continue;
    for (const pod of group.pods) out.push(pod);
  }
  return out;
}

function carries(labels: Labels, wanted: Labels): boolean {
  for (const [key, value] of wanted) if (labels.get(key) !== value) return false;
  return true;
}

function groupsOf(pods: readonly Pod[]): Map<string, Map<string, LabelGroup[]>> {
  const sets = new Map<Labels, LabelGroup>();
  for (const pod of pods) {
    const known = sets.get(pod.labels);
    if (known === undefined) sets.set(pod.labels, { labels: pod.labels, pods: [pod] });
    else known.pods.push(pod);
  }
  const out = new Map<string, Map<string, LabelGroup[]>>();
  for (const group of sets.values()) {
    for (const [key, value] of group.labels) {
      let values = out.get(key);
      if (values === undefined) {
        values = new Map();
        out.set(key, values);
      }
      const groups = values.get(value);
      if (groups === undefined) values.set(value, [group]);
      else groups.push(group);
    }
  }
  return out;
}
