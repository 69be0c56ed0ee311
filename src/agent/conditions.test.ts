import { describe, expect, it } from 'vitest';
import { IoError } from '../io/io-error.ts';
import type { Answer } from '../io/kube-client.ts';
import type { JsonObject } from '../manifest/object.ts';
import { takeBackConditions } from './conditions.ts';

const V1 = '/apis/policy.networking.k8s.io/v1alpha1';
const V2 = '/apis/policy.networking.k8s.io/v1alpha2';

function policy(name: string, ...types: readonly string[]): JsonObject {
  return { metadata: { name }, status: { conditions: types.map((type) => ({ type })) } };
}

/** Answers by path without what follows `?`: JSON with status 200, a status, or an error. Else 404. */
function server(answers: Readonly<Record<string, JsonObject | number | Error>>): {
  readonly patched: string[];
  readonly client: Parameters<typeof takeBackConditions>[0];
} {
  const patched: string[] = [];
  const answer = (path: string): Answer => {
    const found = answers[path.split('?')[0] ?? ''] ?? 404;
    if (found instanceof Error) throw found;
    return typeof found === 'number' ? { status: found, body: { message: 'no' } } : { status: 200, body: found };
  };
  return {
    patched,
    client: {
      get: async (path) => answer(path),
      send: async (method, path, body, type) => {
        patched.push(`${method} ${path} ${type} ${JSON.stringify(body)}`);
        return answer(path);
      },
    },
  };
}

describe('the conditions of a node', () => {
  it('are taken back from the policies that bear one, and from no others', async () => {
    const { patched, client } = server({
      [`${V2}/clusternetworkpolicies`]: {
        items: [
          policy('own', 'Accepted', 'rampart.dev/enforced.n1', 'rampart.dev/enforced.n2'),
          policy('other', 'rampart.dev/enforced.n11', 'rampart.dev/enforced.n2'),
          { metadata: { name: 'new' } },
          { metadata: { name: 'odd' }, status: { conditions: 'x' } },
        ],
      },
      [`${V2}/clusternetworkpolicies/own/status`]: policy('own', 'Accepted', 'rampart.dev/enforced.n2'),
      [`${V1}/baselineadminnetworkpolicies`]: { items: [policy('default', 'rampart.dev/enforced.n1')] },
      [`${V1}/baselineadminnetworkpolicies/default/status`]: policy('default'),
    });
    expect(await takeBackConditions(client, 'n1')).toEqual({
      policies: ['BaselineAdminNetworkPolicy/default', 'ClusterNetworkPolicy/own'],
      problems: [],
    });
    expect(patched.sort()).toEqual([
      `PATCH ${V1}/baselineadminnetworkpolicies/default/status?fieldManager=rampart-agent-n1&force=true application/apply-patch+yaml {"apiVersion":"policy.networking.k8s.io/v1alpha1","kind":"BaselineAdminNetworkPolicy","metadata":{"name":"default"},"status":{"conditions":[]}}`,
      `PATCH ${V2}/clusternetworkpolicies/own/status?fieldManager=rampart-agent-n1&force=true application/apply-patch+yaml {"apiVersion":"policy.networking.k8s.io/v1alpha2","kind":"ClusterNetworkPolicy","metadata":{"name":"own"},"status":{"conditions":[]}}`,
    ]);
  });

  it('that may not be looked for, or taken back, are named with the reason; the others go', async () => {
    const marked = policy('x', 'rampart.dev/enforced.n1');
    const { client } = server({
      [`${V2}/clusternetworkpolicies`]: {
        items: [marked, policy('y', 'rampart.dev/enforced.n1'), policy('z', 'rampart.dev/enforced.n1')],
      },
      [`${V2}/clusternetworkpolicies/x/status`]: 403,
      [`${V2}/clusternetworkpolicies/y/status`]: policy('y'),
      [`${V1}/adminnetworkpolicies`]: 403,
      [`${V2}/clusternetworkpolicies/z/status`]: policy('z', 'rampart.dev/enforced.n1'),
      [`${V1}/baselineadminnetworkpolicies`]: { items: [policy('default', 'rampart.dev/enforced.n1')] },
      [`${V1}/baselineadminnetworkpolicies/default/status`]: policy('default', 'rampart.dev/enforced.n1'),
    });
    const { policies, problems } = await takeBackConditions(client, 'n1');
    expect(policies).toEqual(['ClusterNetworkPolicy/y']);
    expect(problems.toSorted()).toEqual([
      'BaselineAdminNetworkPolicy/default, ClusterNetworkPolicy/z: the condition `rampart.dev/enforced.n1` may still be there: somebody else has written it',
      'ClusterNetworkPolicy/x, adminnetworkpolicies: the condition `rampart.dev/enforced.n1` may still be there: no',
    ]);
  });

  it('are said once to be out of reach where nothing can be asked', async () => {
    const away = new IoError('unreachable', 'cannot reach it');
    const { client } = server({
      [`${V2}/clusternetworkpolicies`]: away,
      [`${V1}/adminnetworkpolicies`]: away,
      [`${V1}/baselineadminnetworkpolicies`]: away,
    });
    const { policies, problems } = await takeBackConditions(client, 'n1');
    expect([policies, problems]).toEqual([
      [],
      [
        'adminnetworkpolicies, baselineadminnetworkpolicies, clusternetworkpolicies: the condition `rampart.dev/enforced.n1` may still be there: cannot reach it',
      ],
    ]);
  });

  it('are nowhere where no such kind is served, and gone with their policies', async () => {
    const { patched, client } = server({
      [`${V2}/clusternetworkpolicies`]: { items: [policy('late', 'rampart.dev/enforced.n1')] },
    });
    expect(await takeBackConditions(client, 'n1')).toEqual({ policies: [], problems: [] });
    expect(patched).toHaveLength(1);
  });
});
