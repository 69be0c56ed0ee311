import type { Readable } from 'node:stream';
import type { Command } from 'commander';
import type { Screen } from '../io/terminal.ts';
import type { ExitCode } from './exit-code.ts';

/** The outside of one run: everything that a command may touch. */
export interface Shell {
  readonly stdin: Readable;
  readonly stdout: Screen;
  readonly stderr: Screen;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** Calls off what is waited for. */
  readonly signal: AbortSignal;
}

/** A command: its grammar, and what it does. */
export interface CliCommand {
  /** Adds arguments and options; `run` is called with what was parsed. */
  readonly define: (
    command: Command,
    run: (action: (shell: Shell) => Promise<ExitCode>) => void,
    /** All commands, for what is about them. */
    all: readonly CommandEntry[],
  ) => void;
}

/** An entry of the command list; the command's own code is loaded when it is asked for. */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<CliCommand>;
}

/** The user's words cannot be taken; the message says why, `help` the way out. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly help: string | null;

  constructor(message: string, help: string | null = null) {
    super(message);
    this.help = help;
  }
}
