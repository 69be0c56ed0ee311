import type { Observer } from './observer.ts';

/** Tells each of the observers everything. */
export function observers(...all: readonly Observer[]): Observer {
  return {
    committed: (what) => {
      for (const each of all) each.committed(what);
    },
    ran: (result, ms) => {
      for (const each of all) each.ran(result, ms);
    },
    loaded: (reasons, ms) => {
      for (const each of all) each.loaded(reasons, ms);
    },
    drifted: (reason, details) => {
      for (const each of all) each.drifted(reason, details);
    },
    failed: (message, retryMs) => {
      for (const each of all) each.failed(message, retryMs);
    },
    policyFailed: (id, fault) => {
      for (const each of all) each.policyFailed(id, fault);
    },
    policyHealed: (id) => {
      for (const each of all) each.policyHealed(id);
    },
    noticed: (notice) => {
      for (const each of all) each.noticed(notice);
    },
  };
}

/** Hears everything and does nothing. */
export const SILENT: Observer = {
  committed: () => undefined,
  ran: () => undefined,
  loaded: () => undefined,
  drifted: () => undefined,
  failed: () => undefined,
  policyFailed: () => undefined,
  policyHealed: () => undefined,
  noticed: () => undefined,
};
