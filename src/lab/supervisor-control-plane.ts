import { randomUUID } from 'node:crypto';
import { chmodSync } from 'node:fs';
import type { Api } from './api-server/api.ts';
import { apiServer } from './api-server/api.ts';
import { listenApi } from './api-server/server.ts';
import type { Box } from './box/box.ts';
import { kubelet } from './controllers-kubelet.ts';
import { controlLoop, FOLLOWED_RESOURCES, followStore, type LoopOptions, sendTo } from './controllers-loop.ts';
import { controllerManager } from './controllers-manager.ts';
import { dnsOf } from './model-dns.ts';
import type { LabSetup } from './state-folder.ts';

/** What a lab's agents follow, and what makes its pods. */
export interface ControlPlane {
  /** For agents: it needs no credentials. */
  readonly server: string;
  /** Pods that are there before anybody is asked. */
  readonly seeded: boolean;
  /** Every watch hears something several times a second, if only where the server is. */
  readonly talkative: boolean;
  /** From now on the box is kept as the API server says. */
  follow(box: Box): Promise<void>;
  /** Resolves when the box is as the API server says. */
  idle(): Promise<void>;
  /** Takes back what was made outside of the box. */
  stop(): Promise<void>;
}

const BOOKMARK_MS = 300;

/** What a control loop does with a box. */
export function boxActions(box: Box): Pick<LoopOptions, 'start' | 'stop' | 'listen' | 'services'> {
  const names = (): Promise<void> => {
    const pods = box.pods().map(({ pod }) => pod);
    return box.setServices(box.services(), dnsOf(box.services(), pods));
  };
  return {
    start: async (pod) => {
      await box.addPods([pod]);
      const actor = box.actors.get(pod.id);
      if (actor?.state !== 'running') throw new Error(actor?.detail ?? 'it has gone');
      await names();
    },
    stop: async (id) => {
      await box.removePods([id]);
      await names();
    },
    listen: (id, listeners) => box.listen(id, listeners),
    services: async (services) => {
      const pods = box.pods().map(({ pod }) => pod);
      await box.setServices(services, dnsOf(services, pods));
    },
  };
}

/** The lab's own API server, with controllers that are simple and quick. */
export async function ownControlPlane(
  setup: LabSetup,
  socket: string,
  log: (line: string) => void,
): Promise<ControlPlane> {
  const { plan } = setup;
  const api: Api = apiServer({
    now: Date.now,
    uid: randomUUID,
    serviceRanges: plan.ranges.services,
    podDeletion: 'graceful',
    bookmarkMs: BOOKMARK_MS,
  });
  api.seed(plan.objects.map(({ object }) => object.value));
  const listening = await listenApi(api, { path: socket });
  chmodSync(socket, 0o600);
  let idle = (): Promise<void> => Promise.resolve();
  return {
    server: listening.url,
    seeded: true,
    talkative: true,
    follow: (box) => {
      const loop = controlLoop({
        ...boxActions(box),
        manager: controllerManager({ replicas: setup.replicas, loadBalancers: plan.ranges.loadBalancers }),
        kubelet: kubelet({ nodes: plan.nodes, running: plan.pods }),
        send: sendTo(api),
        onFailure: log,
      });
      followStore(api, FOLLOWED_RESOURCES, loop.take);
      idle = loop.idle;
      return loop.idle();
    },
    idle: () => idle(),
    stop: () => Promise.resolve(),
  };
}
