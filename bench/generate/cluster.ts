import type { JsonObject } from '../../src/manifest/object.ts';
import { clusterPolicies, tenantPolicies } from './policies.ts';
import { seededRandom } from './random.ts';
import { type ClusterOptions, settleShape } from './shape.ts';
import {
  evenly,
  namespaceObject,
  nodeObject,
  planInfrastructure,
  planTenants,
  roundRobin,
  workloadObjects,
} from './workloads.ts';

/** A share of the policies of clusters with cluster-wide kinds; they are few in practice. */
const CLUSTER_WIDE_SHARE = 0.02;
const CLUSTER_WIDE_MOST = 200;

/** The cluster by file: `cluster` for what has no namespace, then one entry for each namespace. */
export function generateFiles(options: ClusterOptions = {}): ReadonlyMap<string, readonly JsonObject[]> {
  const shape = settleShape(options);
  const random = seededRandom(shape.seed);
  const tenants = planTenants(shape, random);
  const infrastructure = shape.infrastructure ? planInfrastructure() : [];
  const placement = roundRobin(shape.nodes);

  const wideKinds = shape.kinds.filter((kind) => kind !== 'np');
  const namespaced = shape.kinds.includes('np');
  const wide =
    wideKinds.length === 0
      ? 0
      : namespaced
        ? Math.min(shape.policies, CLUSTER_WIDE_MOST, Math.max(4, Math.round(shape.policies * CLUSTER_WIDE_SHARE)))
        : shape.policies;
  const wideCounts = evenly(wide, Math.max(1, wideKinds.length));
  const counts = evenly(namespaced ? shape.policies - wide : 0, tenants.length);

  const files = new Map<string, readonly JsonObject[]>();
  files.set('cluster', [
    ...Array.from({ length: shape.nodes }, (_, index) => nodeObject(index)),
    ...wideKinds.flatMap((kind, index) => clusterPolicies(kind, tenants, wideCounts[index] ?? 0, random)),
  ]);
  let serial = 10;
  for (const [index, tenant] of [...infrastructure, ...tenants].entries()) {
    const objects: JsonObject[] = [namespaceObject(tenant)];
    for (const app of tenant.apps) {
      for (const object of workloadObjects(app, shape, random, placement, serial)) objects.push(object);
      serial += 1;
    }
    const count = counts[index - infrastructure.length] ?? 0;
    for (const policy of tenantPolicies(tenant, tenants, count, random)) objects.push(policy);
    files.set(tenant.name, objects);
  }
  return files;
}

/** All objects of a generated cluster, as plain JSON; the same options and seed give the same objects. */
export function generateCluster(options: ClusterOptions = {}): readonly JsonObject[] {
  return [...generateFiles(options).values()].flat();
}
