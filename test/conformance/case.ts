/** Reads the conformance vectors, which live beside the checkout. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Input, inputOf } from '../../src/input/input.ts';
import { readManifests } from '../../src/manifest/read.ts';
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import type { Conn } from '../../src/model/report.ts';

const CHECKOUT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const SHARED = process.env.RAMPART_SHARED ?? join(CHECKOUT, '..', 'shared');
export const CONFORMANCE = join(SHARED, 'conformance');
export const SUITES = ['k8s-e2e', 'cyclonus', 'npa', 'cnp-docs'] as const;

export interface Case {
  readonly id: string;
  readonly deviations: readonly string[];
  readonly tags: readonly string[];
  readonly flows?: readonly {
    readonly src: string;
    readonly dst: string;
    readonly protocol: 'TCP' | 'UDP' | 'SCTP';
    readonly port: number;
    readonly allowed: boolean;
  }[];
  readonly connectivity?: {
    readonly complete: boolean;
    readonly peers: readonly string[];
    readonly allowed: readonly { readonly src: string; readonly dst: string; readonly conn: Conn }[];
    readonly unspecified?: readonly (readonly [string, string])[];
    readonly ingressController?: readonly { readonly dst: string; readonly conn: Conn }[];
  };
  readonly exposure?: {
    readonly entries: readonly {
      readonly workload: string;
      readonly direction: 'ingress' | 'egress';
      readonly peer: Readonly<Record<string, unknown>>;
      readonly conn: Conn;
    }[];
    readonly unprotected: readonly { readonly workload: string; readonly direction: string }[];
  };
  readonly diff?: {
    readonly against: string;
    readonly changes: readonly {
      readonly type: string;
      readonly src: string;
      readonly dst: string;
      readonly before: Conn;
      readonly after: Conn;
    }[];
    readonly unspecified?: readonly (readonly [string, string])[];
    readonly ingressControllerChanges?: readonly {
      readonly type: string;
      readonly dst: string;
      readonly before: Conn;
      readonly after: Conn;
    }[];
  };
  readonly invalid?: readonly { readonly object: string; readonly why: string }[];
}

export function hasVectors(): boolean {
  const there = existsSync(CONFORMANCE);
  if (!there) console.log(`skipped: no conformance vectors at ${CONFORMANCE} (set RAMPART_SHARED)`);
  return there;
}

export function casesOf(suite: string): readonly string[] {
  return existsSync(join(CONFORMANCE, suite)) ? readdirSync(join(CONFORMANCE, suite)).sort() : [];
}

export function readCase(id: string): Case {
  return JSON.parse(readFileSync(join(CONFORMANCE, id, 'case.json'), 'utf8')) as Case;
}

/** The input of a case with all diagnostics, those of reading included. */
export function inputOfCase(id: string): Input {
  const folder = join(CONFORMANCE, id, 'manifests');
  const reading = readManifests(
    readdirSync(folder)
      .sort()
      .map((name) => ({ file: join(folder, name), bytes: readFileSync(join(folder, name)) })),
  );
  const input = inputOf(reading.objects);
  const diagnostics: Diagnostic[] = [...reading.diagnostics, ...input.diagnostics];
  return { ...input, diagnostics };
}
