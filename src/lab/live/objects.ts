/** The objects that a probe makes in a live cluster. */
import type { JsonObject } from '../../manifest/object.ts';

/** Carried by everything that a probe makes; the value is the run. */
export const PROBE_LABEL = 'rampart.dev/probe';
/** How the names of all these begin. */
export const PROBE_NAME = 'rampart-probe-';
/** Until when a run may last; what is older was left behind. */
export const UNTIL_ANNOTATION = 'rampart.dev/probe-until';
/** A condition that nobody ever fulfils, so that no Service sends anything to a probe pod. */
export const NEVER_READY = 'rampart.dev/never-ready';

/** One run of a probe. */
export interface ProbeRun {
  /** Short, random, lower case. */
  readonly id: string;
  readonly until: Date;
  readonly image: string;
}

/** Labels that controllers keep their books with; a policy that names one gets it all the same. */
const BOOKKEEPING: ReadonlySet<string> = new Set([
  'pod-template-hash',
  'controller-revision-hash',
  'pod-template-generation',
  'statefulset.kubernetes.io/pod-name',
  'apps.kubernetes.io/pod-index',
  'controller-uid',
  'job-name',
  'batch.kubernetes.io/controller-uid',
  'batch.kubernetes.io/job-name',
  'batch.kubernetes.io/job-completion-index',
]);

/** The labels of a pod that stands for others: theirs, without those by which controllers recognise their own. */
export function standInLabels(
  labels: ReadonlyMap<string, string>,
  namedByPolicies: ReadonlySet<string>,
): Readonly<Record<string, string>> {
  return Object.fromEntries([...labels].filter(([key]) => !BOOKKEEPING.has(key) || namedByPolicies.has(key)));
}

/** What owns the pods of a run in one namespace: no controller adopts a pod that has one, and with it they go. */
export function ownerFor(run: ProbeRun, namespace: string): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: `${PROBE_NAME}${run.id}`,
      namespace,
      labels: { [PROBE_LABEL]: run.id, 'app.kubernetes.io/managed-by': 'rampart' },
      annotations: { [UNTIL_ANNOTATION]: run.until.toISOString() },
    },
    data: { about: 'Owns the pods of a run of `rampart probe`. Delete it and they go; nothing else depends on it.' },
  };
}

export interface ProbePodSpec {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly owner: { readonly name: string; readonly uid: string } | null;
  /** Where it would rather run, or must. */
  readonly node: { readonly name: string; readonly required: boolean } | null;
  /** Absent: it only waits for commands. */
  readonly serve?: { readonly tcp: number; readonly udp: number };
}

/** A pod that does nothing but wait for commands, small, short-lived, and admitted by the restricted standard. */
export function podFor(run: ProbeRun, spec: ProbePodSpec, now: Date): JsonObject {
  const seconds = Math.max(30, Math.ceil((run.until.getTime() - now.getTime()) / 1000));
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: spec.name,
      namespace: spec.namespace,
      labels: { ...spec.labels, [PROBE_LABEL]: run.id },
      annotations: {
        [UNTIL_ANNOTATION]: run.until.toISOString(),
        'cluster-autoscaler.kubernetes.io/safe-to-evict': 'true',
        'sidecar.istio.io/inject': 'false',
        'linkerd.io/inject': 'disabled',
      },
      ...(spec.owner === null
        ? {}
        : {
            ownerReferences: [
              {
                apiVersion: 'v1',
                kind: 'ConfigMap',
                name: spec.owner.name,
                uid: spec.owner.uid,
                controller: true,
                blockOwnerDeletion: false,
              },
            ],
          }),
    },
    spec: {
      restartPolicy: 'Never',
      activeDeadlineSeconds: seconds,
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      ...(spec.serve === undefined ? { readinessGates: [{ conditionType: NEVER_READY }] } : {}),
      ...(spec.node === null ? {} : { affinity: affinityFor(spec.node) }),
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 65532,
        runAsGroup: 65532,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      containers: [
        {
          name: 'probe',
          image: run.image,
          imagePullPolicy: 'IfNotPresent',
          command: ['sh', '-c', spec.serve === undefined ? WAIT : serverScript(spec.serve.tcp, spec.serve.udp)],
          resources: { requests: { cpu: '5m', memory: '16Mi' }, limits: { cpu: '500m', memory: '128Mi' } },
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
        },
      ],
    },
  };
}

const WAIT = 'trap "exit 0" TERM INT; while :; do sleep 3600 & wait $!; done';

/** Answers on a TCP and a UDP port with whatever the image has. */
function serverScript(tcp: number, udp: number): string {
  return `trap "exit 0" TERM INT
if [ -x /agnhost ]; then exec /agnhost netexec --http-port=${tcp} --udp-port=${udp}; fi
if command -v python3 >/dev/null 2>&1; then exec python3 -c '
import socket, threading
def udp():
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0); s.bind(("::", ${udp}))
    while True:
        d, a = s.recvfrom(2048); s.sendto(b"probe", a)
threading.Thread(target=udp, daemon=True).start()
s = socket.socket(socket.AF_INET6); s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("::", ${tcp})); s.listen(64)
while True:
    c, _ = s.accept(); c.close()
'; fi
while :; do nc -u -l -p ${udp} -w 1 -e /bin/cat; done &
while :; do nc -l -p ${tcp} </dev/null >/dev/null || exit 1; done`;
}

function affinityFor(node: { readonly name: string; readonly required: boolean }): JsonObject {
  const term = { matchFields: [{ key: 'metadata.name', operator: 'In', values: [node.name] }] };
  return {
    nodeAffinity: node.required
      ? { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] } }
      : { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference: term }] },
  };
}
