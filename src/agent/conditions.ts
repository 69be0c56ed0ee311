import { createHash } from 'node:crypto';
import { IoError, reasonOf } from '../io/io-error.ts';
import { type Answer, isObject, type KubeClient, messageOf, objectsOf } from '../io/kube-client.ts';
import { POLICY_KINDS } from '../kinds/registry.ts';
import type { Json, JsonObject } from '../manifest/object.ts';
import { MARK } from './policy-table.ts';

export const APPLY = 'application/apply-patch+yaml';
export const LONGEST_MESSAGE = 1000;
const LONGEST_MANAGER = 128;
/** A NetworkPolicy has no status. */
const KINDS = POLICY_KINDS.filter(({ namespaced }) => !namespaced);

/** What tells one policy of the cluster from all others. */
export interface PolicyName {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
}

/**
 * The request by which a node says of a policy that it fails there, or takes that back (`null`): a server-side apply, so
 * that the conditions of other nodes and controllers stay. `null` where the kind has no status.
 */
export function conditionPatch(
  { apiVersion, kind, name }: PolicyName,
  node: string,
  message: string | null,
): { readonly path: string; readonly body: JsonObject } | null {
  const known = KINDS.find((entry) => entry.kind === kind && entry.apiVersion === apiVersion);
  if (known === undefined) return null;
  const failure = (text: string): JsonObject => ({
    type: `${MARK}${node}`,
    status: 'False',
    reason: 'KernelRefused',
    message: text.slice(0, LONGEST_MESSAGE),
    lastTransitionTime: wholeSeconds(new Date()),
  });
  const conditions = message === null ? [] : [failure(message)];
  return {
    path: `/apis/${apiVersion}/${known.plural}/${name}/status?fieldManager=${encodeURIComponent(managerOf(node))}&force=true`,
    body: { apiVersion, kind, metadata: { name }, status: { conditions } },
  };
}

/** A time as Kubernetes writes it. */
export function wholeSeconds(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z');
}

/** One for each node: who applies with the name of another takes away what that one has said. */
function managerOf(node: string): string {
  const name = `rampart-agent-${node}`;
  if (name.length <= LONGEST_MANAGER) return name;
  const hash = createHash('sha256').update(node).digest('hex').slice(0, 16);
  return `${name.slice(0, LONGEST_MANAGER - hash.length - 1)}-${hash}`;
}

/** What has become of the conditions of a node. */
export interface TakenBack {
  /** The policies that bear it no longer, such as `ClusterNetworkPolicy/x`. */
  readonly policies: readonly string[];
  /** What may still bear it, and why. */
  readonly problems: readonly string[];
}

/** Takes back all that a node says of policies: asks once, and throws nothing. */
export async function takeBackConditions(client: Pick<KubeClient, 'get' | 'send'>, node: string): Promise<TakenBack> {
  const policies: string[] = [];
  /** What could not be looked at or changed, by the reason. */
  const left = new Map<string, string[]>();

  function leave(what: string, reason: string): void {
    left.set(reason, [...(left.get(reason) ?? []), what]);
  }

  async function ask(what: string, request: () => Promise<Answer>): Promise<Json> {
    let reason: string;
    try {
      const answer = await request();
      // A kind that is not served, or a policy that is gone.
      if (answer.status === 404) return null;
      if (answer.status < 300) return answer.body;
      reason = messageOf(answer);
    } catch (error) {
      const isLate = error instanceof IoError && error.code === 'interrupted';
      reason = isLate ? 'the API server has not answered in time' : reasonOf(error);
    }
    leave(what, reason);
    return null;
  }

  async function takeBack(name: PolicyName): Promise<void> {
    const patch = conditionPatch(name, node, null);
    if (patch === null) return;
    const id = `${name.kind}/${name.name}`;
    const after = await ask(id, () => client.send('PATCH', patch.path, patch.body, APPLY));
    if (!isObject(after)) return;
    if (bears(after, node)) leave(id, 'somebody else has written it');
    else policies.push(id);
  }

  await Promise.all(
    KINDS.map(async ({ apiVersion, kind, plural }) => {
      const list = await ask(plural, () => client.get(`/apis/${apiVersion}/${plural}`));
      for (const object of objectsOf(isObject(list) ? list.items : undefined)) {
        const name = isObject(object.metadata) ? object.metadata.name : null;
        if (typeof name === 'string' && bears(object, node)) await takeBack({ apiVersion, kind, name });
      }
    }),
  );
  const problems = [...left].map(([reason, what]) => conditionsLeft(node, what, reason));
  return { policies: policies.sort(), problems };
}

/** Says where conditions may be left. */
export function conditionsLeft(node: string, what: readonly string[], reason: string): string {
  return `${[...what].sort().join(', ')}: the condition \`${MARK}${node}\` may still be there: ${reason}`;
}

function bears({ status }: JsonObject, node: string): boolean {
  const conditions = isObject(status) ? objectsOf(status.conditions) : [];
  return conditions.some(({ type }) => type === `${MARK}${node}`);
}
