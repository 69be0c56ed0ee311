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

const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 60_000;

/** Watches for the taint `key` on the Node `name`. */
export function taintRemover(
  client: Pick<KubeClient, 'send'>,
  name: string,
  key: string,
  log: Log,
  random: () => number = Math.random,
): TaintRemover {
  let node: JsonObject | null = null;
  let isReady = false;
  let busy = false;
  let retry: NodeJS.Timeout | null = null;
  let stopped = false;
  let retryMs = FIRST_RETRY_MS;
  let said: string | null = null;

  async function remove(): Promise<void> {
    const asked = node;
    const index = asked === null ? -1 : taintIndex(asked, key);
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
    if (problem === null) {
      retryMs = FIRST_RETRY_MS;
      said = null;
      if (node === asked) node = null;
      else again();
      return;
    }
    if (problem !== said) log.warn({ taint: key }, `the taint cannot be taken off the node: ${problem}`);
    said = problem;
    again();
  }

  function again(): void {
    if (retry !== null || stopped) return;
    retry = setTimeout(
      () => {
        retry = null;
        void remove();
      },
      retryMs * (0.5 + random() / 2),
    );
    retryMs = Math.min(2 * retryMs, LONGEST_RETRY_MS);
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
