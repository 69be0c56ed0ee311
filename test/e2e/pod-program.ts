import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Question } from '../faults/pod-protocol.ts';
import { KUBE, type NodeCluster } from './cluster.ts';

const PROGRAM = join(import.meta.dirname, '../faults/pod.ts');

/** A program in the network of a real pod that serves, opens connections and counts. */
export interface PodProgram {
  readonly address: string;
  ask<T>(question: Question): Promise<T>;
  /** Runs something in the pod's network; fails when that does. */
  run(...command: readonly string[]): Promise<string>;
  end(): void;
}

/** Starts the program beside a pod's own container. */
export async function startProgram(
  cluster: NodeCluster,
  space: string,
  pod: string,
  node: string,
): Promise<PodProgram> {
  const get = (path: string): Promise<string> => cluster.kubectl('-n', space, 'get', 'pod', pod, `-o=jsonpath=${path}`);
  const id = (await get('{.status.containerStatuses[0].containerID}')).replace('containerd://', '');
  const tasks = await cluster.onNode(node, 'ctr', '-n', 'k8s.io', 'tasks', 'ls');
  const pid = new RegExp(`^${id}\\s+(\\d+)`, 'm').exec(tasks.stdout)?.[1];
  if (pid === undefined) throw new Error(`no process of ${space}/${pod} on ${node}: ${tasks.stdout}${tasks.stderr}`);
  const inside = ['nsenter', `--net=/proc/${pid}/ns/net`];

  const child = spawn(KUBE, ['node', 'exec', node, ...inside, process.execPath, PROGRAM], {
    env: cluster.env,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stderr.on('data', (chunk: Buffer) => process.stderr.write(`${pod}: ${chunk}`));
  child.stdin.on('error', () => undefined); // its end says more
  const waiting = new Map<
    number,
    { readonly resolve: (value: never) => void; readonly reject: (error: Error) => void }
  >();
  let last = 0;
  const started = new Promise<void>((resolve, reject) => waiting.set(0, { resolve, reject }));
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { id, value, error } = JSON.parse(line) as { id: number; value: never; error?: string };
    const asker = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) asker?.resolve(value);
    else asker?.reject(new Error(`${pod}: ${error}`));
  });
  child.on('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error(`the program in ${pod} has ended`));
  });
  await started;
  return {
    address: await get('{.status.podIP}'),
    ask: (question) =>
      new Promise((resolve, reject) => {
        const id = ++last;
        waiting.set(id, { resolve, reject });
        child.stdin.write(`${JSON.stringify({ id, question })}\n`);
      }),
    async run(...command) {
      const { code, stdout, stderr } = await cluster.onNode(node, ...inside, ...command);
      if (code !== 0) throw new Error(`${command.join(' ')} in ${pod}: ${stderr}`);
      return stdout;
    },
    end: () => child.stdin.end(),
  };
}
