/** The way of one connection through a node's table, as the kernel tells it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Finished } from '../io/child.ts';
import type { PlannedFlow, Try } from './probe-plan.ts';

/** What is watched, and for how long. */
export interface TraceOptions {
  /** Runs a program in the namespaces of a node, to its end. */
  readonly exec: (node: string, command: readonly string[], input?: string) => Promise<Finished>;
  /** Addresses that the connection may come from. */
  readonly sources: readonly string[];
  /** How long the attempt may take. */
  readonly timeoutMs: number;
}

const TABLE = 'rampart_trace';
const WATCHED = 'rampart';
/** Before connection tracking and every chain of ours. */
const PRIORITY = -450;
/** nft needs this long to open its socket. */
const WARM_UP_MS = 400;
const MOST_LINES = 40;

/**
 * Tries a connection once more while the nodes at both ends trace it: a table of its own marks packets of that
 * connection alone, and is gone afterwards. What is said of other tables than Rampart's is left out.
 */
export async function traceFlow(
  planned: PlannedFlow,
  again: () => Promise<void>,
  options: TraceOptions,
): Promise<readonly string[]> {
  const [attempt] = planned.tries;
  if (attempt === undefined || attempt.protocol === 'SCTP') return [];
  const rules = traceTable(attempt, options.sources);
  if (rules === null) return [];
  const watching: { readonly node: string; readonly monitor: Promise<Finished> }[] = [];
  const notes: string[] = [];
  const seconds = Math.ceil((options.timeoutMs + WARM_UP_MS) / 1000) + 1;
  try {
    for (const node of attempt.nodes) {
      const loaded = await options.exec(node, ['nft', '-f', '-'], rules);
      if (loaded.code !== 0) {
        notes.push(`${node}: cannot be traced: ${loaded.stderr.trim().split('\n')[0] ?? ''}`);
        continue;
      }
      const monitor = options.exec(node, ['timeout', `${seconds}`, 'nft', 'monitor', 'trace']);
      monitor.catch(() => undefined);
      watching.push({ node, monitor });
    }
    if (watching.length === 0) return notes;
    await sleep(WARM_UP_MS);
    await again();
    for (const { node, monitor } of watching) {
      const { stdout } = await monitor;
      const lines = traceLines(stdout.toString('utf8'), WATCHED);
      notes.push(
        ...(lines.length === 0 ? [`${node}: no packet of it reached the table`] : lines.map((l) => `${node}: ${l}`)),
      );
    }
  } finally {
    for (const { node } of watching) {
      await options.exec(node, ['nft', 'delete', 'table', 'inet', TABLE]).catch(() => undefined);
    }
  }
  return notes;
}

/** The table that marks the packets of one connection; `null` where nothing tells them from others. */
export function traceTable(attempt: Try, sources: readonly string[]): string | null {
  const isV6 = attempt.host.includes(':');
  const ip = isV6 ? 'ip6' : 'ip';
  const from = sources.filter((address) => address.includes(':') === isV6);
  if (from.length === 0) return null;
  const protocol = attempt.protocol.toLowerCase();
  // Behind a Service's address both address and port change on the way.
  const rewritten = attempt.peers === null || attempt.peers.length !== 1;
  const to = rewritten ? `meta l4proto ${protocol}` : `${ip} daddr ${attempt.host} ${protocol} dport ${attempt.port}`;
  const rule = `${ip} saddr { ${from.join(', ')} } ${to} limit rate 20/second burst 20 packets meta nftrace set 1`;
  const chain = (hook: string): string =>
    `chain ${hook} {\n type filter hook ${hook} priority ${PRIORITY};\n ${rule}\n }\n`;
  return `table inet ${TABLE}\ndelete table inet ${TABLE}\ntable inet ${TABLE} {\n ${chain('prerouting')} ${chain('output')}}\n`;
}

/**
 * What the trace says of one table: of each packet the chains and verdicts, equal ways once. Of other tables only that
 * they drop a packet, since then ours cannot be blamed.
 */
export function traceLines(text: string, table: string): readonly string[] {
  const packets = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const match = /^trace id ([0-9a-f]+) (\S+) (\S+) (.*)$/.exec(line);
    if (match === null) continue;
    const [, id = '', family = '', name = '', rest = ''] = match;
    const ours = family === 'inet' && name === table;
    if (!ours && !/\(verdict drop\)$|^\S+ policy drop $/.test(rest)) continue;
    const known = packets.get(id) ?? [];
    packets.set(id, known);
    const said = rest
      .trim()
      .replace(/ packets \d+ bytes \d+/, '')
      .replace(/^(\S+) packet: .*$/, '$1:');
    known.push(ours ? said : `dropped by table ${family} ${name}: ${said}`);
  }
  const ways = new Set([...packets.values()].map((lines) => lines.join('\n')));
  return [...ways].flatMap((way) => way.split('\n')).slice(0, MOST_LINES);
}
