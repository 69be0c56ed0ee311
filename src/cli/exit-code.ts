/** What the process says to scripts. */
export const EXIT = {
  fine: 0,
  /** The world failed: I/O, API, or Rampart itself; or a question could not be answered. */
  failed: 1,
  /** The answer is `denied`, `different`, or a test failed. */
  denied: 2,
  /** Findings or invalid input at or above `--fail-on`. */
  findings: 3,
  usage: 64,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

const URGENCY: readonly ExitCode[] = [EXIT.fine, EXIT.denied, EXIT.findings, EXIT.failed, EXIT.usage];

/** The code that matters most: a failure before findings before an answer. */
export function worst(...codes: readonly ExitCode[]): ExitCode {
  return codes.reduce((a, b) => (URGENCY.indexOf(b) > URGENCY.indexOf(a) ? b : a), EXIT.fine);
}
