import { Command, CommanderError } from 'commander';
import { suggest } from '../base/suggest.ts';
import { IoError, reasonOf, systemCode } from '../io/io-error.ts';
import { COMMANDS } from './commands.ts';
import { EXIT, type ExitCode } from './exit-code.ts';
import { type CommandEntry, type Shell, UsageError } from './shell.ts';
import { VERSION } from './version-text.ts';

const ABOUT = `Rampart answers what Kubernetes network policies allow: exactly, with reasons.

Usage: rampart COMMAND [OPERANDS] [OPTIONS]

Manifests come from -f PATH (a file, a folder, or - for stdin), -k DIR, --helm CHART; without them the live cluster of
the current kubeconfig is read. Answers go to stdout, diagnostics to stderr.
`;

const EXAMPLES = `Examples:
  rampart demo
  rampart explain shop/checkout payments/gateway:8080 -f examples/shop
  rampart connectivity -f manifests/ -o html --out report.html
  rampart diff --from git:main --to . -o markdown
  rampart connectivity --context production

Exit codes: 0 fine · 1 failed · 2 denied or different · 3 invalid input or findings · 64 usage
"rampart COMMAND --help" tells more about a command.
`;

/** Runs one command line; every failure of the world or the user ends here, as a message and an exit code. */
export async function run(args: readonly string[], shell: Shell): Promise<ExitCode> {
  try {
    return await dispatch(args, shell);
  } catch (error) {
    if (shell.signal.aborted) {
      shell.stderr.write('rampart: interrupted\n');
      return EXIT.failed;
    }
    if (error instanceof UsageError) return complain(shell, error.message, error.help, EXIT.usage);
    if (error instanceof IoError) return complain(shell, error.message, error.help, EXIT.failed);
    // What the system refuses is no fault of ours, even where nobody foresaw it.
    if (systemCode(error) !== null) return complain(shell, reasonOf(error), null, EXIT.failed);
    throw error;
  }
}

function complain(shell: Shell, message: string, help: string | null, code: ExitCode): ExitCode {
  shell.stderr.write(`rampart: ${message}\n${help === null ? '' : `  help: ${help}\n`}`);
  return code;
}

async function dispatch(args: readonly string[], shell: Shell): Promise<ExitCode> {
  const [first, ...rest] = args;
  if (first === '--version' || first === '-V') {
    shell.stdout.write(`${VERSION}\n`);
    return EXIT.fine;
  }
  if (first === undefined || first === '--help' || first === '-h' || (first === 'help' && rest.length === 0)) {
    shell.stdout.write(overview());
    return first === undefined ? EXIT.usage : EXIT.fine;
  }
  if (first === 'help') return dispatch([...rest, '--help'], shell);
  const entry = COMMANDS.find(({ name }) => name === first);
  if (entry !== undefined) return runCommand(entry, rest, shell);
  const flagged = first.startsWith('-');
  const names = COMMANDS.map(({ name }) => name);
  const typos = suggest(first, names);
  const near =
    typos.length > 0 ? typos : names.filter((name) => first.length > 2 && name.startsWith(first.slice(0, 3)));
  throw new UsageError(
    flagged ? `the command comes before options such as \`${first}\`` : `unknown command \`${first}\``,
    near.length > 0 ? `did you mean \`rampart ${near.join('`, `')}\`?` : 'see `rampart --help`',
  );
}

function overview(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length)) + 2;
  const lines = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}${summary}\n`);
  return `${ABOUT}\nCommands:\n${lines.join('')}\n${EXAMPLES}`;
}

async function runCommand(entry: CommandEntry, args: readonly string[], shell: Shell): Promise<ExitCode> {
  const { command, action } = await parserOf(entry, shell);
  try {
    command.parse(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.fine : EXIT.usage;
    throw error;
  }
  const parsed = action();
  return parsed === null ? EXIT.usage : parsed(shell);
}

/** Commander's message in the style of ours. */
function misuse(text: string, command: string): string {
  const [first = '', ...more] = text
    .replace(/^error: /, '')
    .trimEnd()
    .split('\n');
  const said = first
    .replaceAll(/'([^']*)'/g, '`$1`')
    .replace(/\.$/, '')
    .replace('. Allowed', '; allowed')
    .replace('. Expected', '; expected')
    .replace(' is invalid. ', ' is invalid: ');
  const near = /Did you mean (?:one of )?(.*)\?\)/.exec(more.join(' '))?.[1];
  const isForeign = command === 'lab exec' || command === 'lab capture';
  const way =
    near !== undefined
      ? `did you mean \`${near}\`?`
      : isForeign && said.startsWith('unknown option')
        ? `words for the program come after --: \`rampart ${command} WHO -- …\``
        : `see \`rampart ${command} --help\``;
  return `rampart: ${said}\n  help: ${way}\n`;
}

/** The parser of a command, and what was asked for once it has parsed. */
export async function parserOf(
  entry: CommandEntry,
  shell: Pick<Shell, 'stdout' | 'stderr'>,
): Promise<{ readonly command: Command; readonly action: () => ((shell: Shell) => Promise<ExitCode>) | null }> {
  let chosen: ((shell: Shell) => Promise<ExitCode>) | null = null;
  const command = new Command(`rampart ${entry.name}`)
    .description(entry.summary)
    .exitOverride()
    .showSuggestionAfterError(true)
    .helpOption('-h, --help', 'show this help')
    .configureOutput({
      writeOut: (text) => shell.stdout.write(text),
      writeErr: (text) => shell.stderr.write(text),
      outputError: (text, write) => write(misuse(text, entry.name)),
    });
  const { define } = await entry.load();
  define(
    command,
    (action) => {
      chosen = action;
    },
    COMMANDS,
  );
  for (const part of command.commands) {
    part.configureOutput({ outputError: (text, write) => write(misuse(text, `${entry.name} ${part.name()}`)) });
  }
  return { command, action: () => chosen };
}
