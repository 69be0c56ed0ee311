/** Work that has to be undone when it is broken off. */

export interface Interruptible {
  readonly signal: AbortSignal;
  /** Gives Ctrl-C back to the system. */
  release(): void;
}

/** Ctrl-C, SIGTERM and SIGHUP call off what is under way, so that it can be cleaned up; a second one ends the process at once. */
export function interruptible(outer: AbortSignal): Interruptible {
  const controller = new AbortController();
  let times = 0;
  const stop = (): void => {
    times++;
    if (times > 1) process.exit(130);
    controller.abort();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  // A terminal that is closed.
  process.on('SIGHUP', stop);
  return {
    signal: AbortSignal.any([outer, controller.signal]),
    release() {
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
      process.off('SIGHUP', stop);
    },
  };
}
