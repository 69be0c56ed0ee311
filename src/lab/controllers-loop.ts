import type { JsonObject } from '../manifest/object.ts';
import type { Api } from './api-server/api.ts';
import { type ApiWrite, type ObjectChange, requestOf, type WriteRequest } from './controllers.ts';
import type { Kubelet, KubeletAction } from './controllers-kubelet.ts';
import type { ControllerManager } from './controllers-manager.ts';
import type { LabPod, LabService } from './model.ts';
import type { Listener } from './pod-protocol.ts';

/** What a control loop works with. */
export interface LoopOptions {
  /** `null` where a real control plane does its work. */
  readonly manager: ControllerManager | null;
  readonly kubelet: Kubelet;
  /** Sends a request to the API server; the answer is the status, or throws. */
  readonly send: (request: WriteRequest) => Promise<number>;
  readonly start: (pod: LabPod) => Promise<void>;
  readonly stop: (id: string) => Promise<void>;
  readonly listen: (id: string, listeners: readonly Listener[]) => Promise<void>;
  readonly services: (services: readonly LabService[]) => Promise<void>;
  /** Told of what failed; the loop goes on. */
  readonly onFailure: (what: string) => void;
}

/** Makes true what the API server says, and says there what has become of it. */
export interface ControlLoop {
  take(change: ObjectChange): void;
  /** Resolves when nothing is left to do. */
  idle(): Promise<void>;
  close(): void;
}

export function controlLoop(options: LoopOptions): ControlLoop {
  const { manager, kubelet } = options;
  let isDirty = false;
  let isRunning = false;
  let isClosed = false;
  let busy = 0;
  let waiting: (() => void)[] = [];

  const wake = (): void => {
    isDirty = true;
    if (isRunning || isClosed) return;
    isRunning = true;
    // Changes of one turn are dealt with at once.
    setImmediate(() => void run());
  };
  const rest = (): void => {
    if (isRunning || isDirty || busy > 0) return;
    const done = waiting;
    waiting = [];
    for (const tell of done) tell();
  };
  const send = async (write: ApiWrite): Promise<void> => {
    const request = requestOf(write);
    try {
      const status = await options.send(request);
      // Gone, or made by someone else in the meantime: the next change says what is to be done about it.
      if (status >= 400 && status !== 404 && status !== 409) {
        options.onFailure(`${request.method} ${request.path}: the API server answered ${status}`);
      }
    } catch (error) {
      options.onFailure(`${request.method} ${request.path}: ${(error as Error).message}`);
    }
  };
  /** Starts what takes its time, and looks again when it is done. */
  const background = (work: Promise<void>, done: () => void, failed: (why: string) => void): void => {
    busy++;
    work
      .then(done, (error: unknown) => failed((error as Error).message))
      .finally(() => {
        busy--;
        wake();
      });
  };
  const act = async (action: KubeletAction): Promise<void> => {
    switch (action.kind) {
      case 'write':
        return send(action.write);
      case 'start': {
        const { id } = action.pod;
        background(
          options.start(action.pod),
          () => kubelet.started(id),
          (why) => {
            options.onFailure(`pod ${id} did not start: ${why}`);
            kubelet.failed(id, why);
          },
        );
        return;
      }
      case 'stop': {
        const { id } = action;
        background(
          options.stop(id),
          () => kubelet.stopped(id),
          (why) => {
            options.onFailure(`pod ${id} did not stop: ${why}`);
            kubelet.stopped(id);
          },
        );
        return;
      }
      case 'listen':
        return guarded(() => options.listen(action.id, action.listeners), options.onFailure);
      case 'services':
        return guarded(() => options.services(action.services), options.onFailure);
    }
  };
  const run = async (): Promise<void> => {
    while (isDirty && !isClosed) {
      isDirty = false;
      for (const write of manager?.settle() ?? []) await send(write);
      for (const action of kubelet.settle()) await act(action);
    }
    isRunning = false;
    rest();
  };
  return {
    take: (change) => {
      manager?.take(change);
      kubelet.take(change);
      wake();
    },
    idle: () =>
      new Promise((done) => {
        waiting.push(done);
        wake();
      }),
    close: () => {
      isClosed = true;
      isDirty = false;
      for (const tell of waiting) tell();
      waiting = [];
    },
  };
}

async function guarded(work: () => Promise<void>, onFailure: (what: string) => void): Promise<void> {
  try {
    await work();
  } catch (error) {
    onFailure((error as Error).message);
  }
}

/** Feeds a loop with everything that an API server in this process has and will have; the answer ends it. */
export function followStore(api: Api, resources: readonly string[], take: (change: ObjectChange) => void): () => void {
  for (const resource of resources) for (const object of api.store.list(resource, null)) take({ kind: 'put', object });
  const wanted = new Set(resources);
  return api.store.subscribe((event) => {
    if (wanted.has(event.resource)) take({ kind: event.type === 'DELETED' ? 'removed' : 'put', object: event.object });
  });
}

/** What controllers and kubelets follow, by `resourceKey`; kubelets alone need the first four. */
export const FOLLOWED_RESOURCES: readonly string[] = [
  'pods',
  'services',
  'endpointslices.discovery.k8s.io',
  'nodes',
  'replicationcontrollers',
  'deployments.apps',
  'replicasets.apps',
  'statefulsets.apps',
  'daemonsets.apps',
  'jobs.batch',
  'cronjobs.batch',
  'deploymentconfigs.apps.openshift.io',
  'rollouts.argoproj.io',
  'prometheuses.monitoring.coreos.com',
  'prometheusagents.monitoring.coreos.com',
  'alertmanagers.monitoring.coreos.com',
  'thanosrulers.monitoring.coreos.com',
];

/** Sends requests to an API server in this process. */
export function sendTo(api: Api): (request: WriteRequest) => Promise<number> {
  return ({ method, path, body, contentType }) => {
    const answer = api.handle({
      method,
      target: path,
      accept: 'application/json',
      contentType,
      body: JSON.stringify(body satisfies JsonObject),
    });
    return Promise.resolve(answer.kind === 'json' ? answer.status : 200);
  };
}
