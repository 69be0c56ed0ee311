import type { Writable } from 'node:stream';
import { type Logger, pino } from 'pino';
import type { Observer } from './observer.ts';
import type { LogLevel } from './settings.ts';

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error' | 'level'>;

/** A log of JSON lines with times, written at once. */
export function openLog(level: LogLevel, node: string | null, write: (line: string) => void): Log {
  return pino(
    {
      level,
      base: node === null ? {} : { node },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write },
  );
}

/** What waits for a reader that does not read is kept up to this. */
const MOST_WAITING = 1024 * 1024;

/** Writes lines to a stream that may be full, or gone, or stand still: whoever writes goes on without a log. */
export function lineWriter(stream: Writable): (line: string) => void {
  stream.removeAllListeners('error');
  stream.on('error', () => undefined);
  let lost = 0;
  return (line) => {
    if (stream.writableLength > MOST_WAITING) {
      lost++;
      return;
    }
    if (lost > 0) {
      stream.write(
        `${JSON.stringify({ level: 'warn', time: new Date().toISOString(), msg: `${lost} lines are lost` })}\n`,
      );
      lost = 0;
    }
    stream.write(line);
  };
}

/** Tells the log what the loop does. */
export function logObserver(log: Log): Observer {
  return {
    committed({ changes, tightens, replaced, compileMs, nftMs, events, latencies }) {
      if (changes === 0) return;
      const fields = {
        changes,
        events,
        tightens,
        replaced,
        compileMs: round(compileMs),
        nftMs: round(nftMs),
        ...(latencies.length > 0 ? { slowestMs: round(Math.max(...latencies)) } : {}),
      };
      log.debug(fields, 'synced');
    },
    ran(result, ms) {
      if (result !== 'ok') log.debug({ result, ms: round(ms) }, 'a transaction failed');
    },
    loaded: (reasons, ms) => log.info({ reasons, ms: round(ms) }, 'everything was compiled'),
    drifted: (reason, details) =>
      log.warn({ reason, details: details.slice(0, 10) }, 'the table is not as it was left; it is repaired'),
    failed: (message, retryMs) => log.error({ retryMs }, message),
    policyFailed: (policy, fault) =>
      log.error({ policy, fault }, 'the kernel refuses the policy; the pods that it selects are closed'),
    policyHealed: (policy) => log.info({ policy }, 'the policy is not refused any more'),
    noticed({ object, diagnostics }) {
      for (const { code, severity, message, help, origin } of diagnostics) {
        const { kind, namespace, name } = object;
        const fields = { code, kind, ...(namespace === null ? {} : { namespace }), name, field: origin?.field, help };
        if (severity === 'info') log.info(fields, message);
        else log.warn(fields, message);
      }
    },
  };
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
