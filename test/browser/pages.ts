import { PORT_PROTOCOLS } from '../../src/model/match.ts';
import type { ConnectivityEntry, ConnectivityReport } from '../../src/model/report.ts';
import type { Explanations } from '../../src/report/explanations.ts';

const ROLES: readonly string[] = ['web', 'api', 'worker', 'cache', 'db'];
const EVERYTHING: readonly string[] = ['0.0.0.0-255.255.255.255', '::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'];

const roleOf = (peer: string): string => /\/([a-z]+)/.exec(peer)?.[1] ?? 'outside';

/**
 * Services of five roles: web → api → {cache, db} and worker → db inside of a namespace, the internet → web, and one
 * unspecified pair. With reasons, by role: who reaches whom depends on namespace and role alone.
 */
export function services(namespaces: number): {
  readonly report: ConnectivityReport;
  readonly explanations: Explanations;
} {
  const inside = Array.from({ length: namespaces }, (_, i) =>
    ROLES.map((role) => `team-${i}/${role}[Deployment]`),
  ).flat();
  const peers = [...inside, ...EVERYTHING];
  const api = { TCP: [[8080, 8080]] } as const;
  const db = { TCP: [[5432, 5432]] } as const;
  const web = {
    TCP: [
      [80, 80],
      [443, 443],
    ],
  } as const;
  const allowed = inside.flatMap((src): readonly ConnectivityEntry[] => {
    const namespace = src.slice(0, src.indexOf('/'));
    const to = (role: string): string => `${namespace}/${role}[Deployment]`;
    switch (roleOf(src)) {
      case 'web':
        return [{ src, dst: to('api'), conn: api }];
      case 'api':
        return [
          { src, dst: to('cache'), conn: 'all' as const },
          { src, dst: to('db'), conn: db },
        ];
      case 'worker':
        return [{ src, dst: to('db'), conn: db }];
      default:
        return [];
    }
  });
  const opened = inside
    .filter((peer) => roleOf(peer) === 'web')
    .flatMap((dst) => EVERYTHING.map((src) => ({ src, dst, conn: web })));
  const report: ConnectivityReport = {
    kind: 'ConnectivityReport',
    peers,
    allowed: [...allowed, ...opened],
    unspecified: [['team-0/worker[Deployment]', 'team-0/cache[Deployment]']],
    unspecifiedBecause: [{ because: 'two policies of equal priority disagree', pairs: 1 }],
    ingressController: [],
    replicas: [],
    diagnostics: [],
  };
  // Class 0 is what has no reasons here, 1 the workers, 2 the databases.
  const classOf = inside.map((peer) => (roleOf(peer) === 'worker' ? 1 : roleOf(peer) === 'db' ? 2 : 0));
  return {
    report,
    explanations: {
      reasons: [
        {
          kind: 'rule',
          policy: 'NetworkPolicy/team-0/db',
          rule: 'spec.ingress[0]',
          tier: 'networkpolicy',
          action: 'allow',
          text: 'rule 1 allows pods role=worker on TCP 5432',
          origin: null,
        },
        {
          kind: 'isolation',
          policy: 'NetworkPolicy/team-0/db',
          rule: null,
          tier: 'networkpolicy',
          action: 'deny',
          text: 'the policy isolates db, and no rule allows this',
          origin: null,
        },
        {
          kind: 'near-miss',
          policy: 'NetworkPolicy/team-0/db',
          rule: 'spec.ingress[0]',
          tier: 'networkpolicy',
          action: 'allow',
          text: 'rule 1 matches the peer but not the port',
          origin: null,
        },
        {
          kind: 'default',
          policy: null,
          rule: null,
          tier: null,
          action: null,
          text: 'no policy restricts egress',
          origin: null,
        },
      ],
      ends: [
        { verdict: 'allowed', decidedBy: null, reasons: [3] },
        { verdict: 'allowed', decidedBy: 'NetworkPolicy/team-0/db#ingress[0]', reasons: [0] },
        { verdict: 'denied', decidedBy: 'NetworkPolicy/team-0/db', reasons: [1, 2] },
      ],
      stories: [
        PORT_PROTOCOLS.map((protocol) => ({ protocol, first: 1, last: 65535, end: 0 })),
        [
          { protocol: 'TCP', first: 1, last: 5431, end: 2 },
          { protocol: 'TCP', first: 5432, last: 5432, end: 1 },
          { protocol: 'TCP', first: 5433, last: 65535, end: 2 },
          { protocol: 'UDP', first: 1, last: 65535, end: 2 },
          { protocol: 'SCTP', first: 1, last: 65535, end: 2 },
        ],
      ],
      classes: 3,
      classOf: [...classOf, ...EVERYTHING.map(() => 0)],
      // By source and destination, then by destination and source.
      egress: [-1, -1, -1, -1, -1, 0, -1, -1, -1],
      ingress: [-1, -1, -1, -1, -1, -1, -1, 1, -1],
    },
  };
}
