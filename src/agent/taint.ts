import { reasonOf } from '../io/io-error.ts';
import type { KubeClient } from '../io/kube-client.ts';
import { messageOf } from '../io/kube-client.ts';
import { isList, isObject } from '../kinds/decoding.ts';
import type { JsonObject } from '../manifest/object.ts';
import type { Log } from './log.ts';

/** Takes the taint off the Node that keeps pods away until its policies are enforced. */
export interface TaintRemover {
  /** The Node as the API server has it now. */
  seen(node: JsonObject): void;
  /** Policies are enforced: the taint may go, now and whenever it is seen again. */
  ready(): void;
  stop(): void;
}

const RETRY_MS = 2000;

/** Watches for the taint `key` on the Node `name`. */
export function taintRemover(client: Pick<KubeClient, 'send'>, name: string, key: string, log: Log): TaintRemover {
  let node: JsonObject | null = null;
  let isReady = false;
  let busy = false;
  let retry: NodeJS.Timeout | null = null;
  let stopped = false;

  async function remove(): Promise<void> {
    const index = node === null ? -1 : taintIndex(node, key);
    if (!isReady || busy || stopped || index < 0) return;
    busy = true;
    // The list may have changed since: the test refuses the patch then, and a newer Node is on its way.
    const patch = [
      { op: 'test', path: `/spec/taints/${index}/key`, value: key },
      { op: 'remove', path: `/spec/taints/${index}` },
    ];
    let problem: string | null = null;
    try {
      const answer = await client.send('PATCH', `/api/v1/nodes/${name}`, patch, 'application/json-patch+json');
      if (answer.status >= 300) problem = messageOf(answer);
      else log.info({ taint: key }, 'the taint is taken off the node');
    } catch (error) {
      problem = reasonOf(error);
    }
    busy = false;
    if (problem === null) node = null;
    else {
      log.warn({ taint: key }, `the taint cannot be taken off the node: ${problem}`);
      retry ??= setTimeout(() => {
        retry = null;
        void remove();
      }, RETRY_MS);
    }
  }

  return {
    seen(next) {
      node = next;
      void remove();
    },
    ready() {
      isReady = true;
      void remove();
    },
    stop() {
      stopped = true;
      if (retry !== null) clearTimeout(retry);
    },
  };
}

function taintIndex(node: JsonObject, key: string): number {
  const taints = isObject(node.spec) ? node.spec.taints : undefined;
  return isList(taints) ? taints.findIndex((taint) => isObject(taint) && taint.key === key) : -1;
}
