/** What of the outside world failed. */
export type IoErrorCode =
  | 'not-found'
  | 'unreadable'
  | 'no-manifests'
  | 'unwritable'
  | 'tool-missing'
  | 'tool-failed'
  | 'no-repository'
  | 'unknown-revision'
  | 'kubeconfig'
  | 'unknown-context'
  | 'unreachable'
  | 'timeout'
  | 'untrusted'
  | 'unauthorized'
  | 'forbidden'
  | 'protocol'
  | 'interrupted';

/** The outside world failed: thrown in `io/`, caught once in the shell. `help` names a way out. */
export class IoError extends Error {
  override readonly name = 'IoError';
  readonly code: IoErrorCode;
  readonly help: string | null;

  constructor(code: IoErrorCode, message: string, options: { readonly help?: string; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.help = options.help ?? null;
  }
}

/** The system's name of an error (`ENOENT`), or `null`. */
export function systemCode(error: unknown): string | null {
  if (typeof error !== 'object' || error === null || !('code' in error)) return null;
  return typeof error.code === 'string' ? error.code : null;
}

/** The first line of what an error says. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().split('\n', 1)[0] ?? '';
}
