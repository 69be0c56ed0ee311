import { Argument, Command } from 'commander';
import { EXIT } from '../exit-code.ts';
import type { CliCommand, CommandEntry } from '../shell.ts';

const EXAMPLES = `
Examples:
  source <(rampart completion bash)
  rampart completion zsh > "\${fpath[1]}/_rampart"
  rampart completion fish > ~/.config/fish/completions/rampart.fish
`;

export const completion: CliCommand = {
  define(command, run, all) {
    command
      .addArgument(new Argument('<shell>', 'for which shell').choices(['bash', 'zsh', 'fish']))
      .addHelpText('after', EXAMPLES)
      .action((name: 'bash' | 'zsh' | 'fish') =>
        run(async (shell) => {
          shell.stdout.write(SCRIPTS[name](await grammar(all)));
          return EXIT.fine;
        }),
      );
  },
};

/** What can be completed: the commands with their options, and the values that options take. */
interface Word {
  readonly name: string;
  readonly summary: string;
  /** What an operand may be, where that is a choice. */
  readonly operands: readonly string[];
  readonly options: readonly {
    readonly flags: readonly string[];
    readonly about: string;
    readonly values: readonly string[];
    readonly takesPath: boolean;
  }[];
}

async function grammar(all: readonly CommandEntry[]): Promise<readonly Word[]> {
  return Promise.all(
    all.map(async (entry) => {
      const command = new Command();
      (await entry.load()).define(command, () => undefined, all);
      const options = command.options.map((option) => ({
        flags: [option.short, option.long].filter((flag) => flag !== undefined && flag !== null),
        about: option.description,
        values: option.argChoices ?? [],
        takesPath: /<(path|file|dir|side)>/.test(option.flags),
      }));
      const help = { flags: ['-h', '--help'], about: 'show this help', values: [], takesPath: false };
      const operands = command.registeredArguments.flatMap((argument) => argument.argChoices ?? []);
      return { name: entry.name, summary: entry.summary, operands, options: [...options, help] };
    }),
  );
}

function bash(words: readonly Word[]): string {
  const cases = words.map(({ name, operands, options }) => {
    const values = options
      .filter((option) => option.values.length > 0)
      .map(
        (option) =>
          `        ${option.flags.join('|')}) COMPREPLY=($(compgen -W "${option.values.join(' ')}" -- "$cur")); return ;;`,
      );
    const paths = options.filter((option) => option.takesPath).flatMap((option) => option.flags);
    const flags = options.flatMap((option) => option.flags);
    return `    ${name})
      case "$prev" in
${[...values, ...(paths.length > 0 ? [`        ${paths.join('|')}) COMPREPLY=($(compgen -f -- "$cur")); return ;;`] : [])].join('\n')}
      esac
      COMPREPLY=($(compgen -W "${[...operands, ...flags].join(' ')}" -- "$cur")) ;;`;
  });
  return `# bash completion for rampart
_rampart() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]}
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${words.map(({ name }) => name).join(' ')} --help --version" -- "$cur"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
  esac
}
complete -o filenames -F _rampart rampart kubectl-rampart ./rampart
`;
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

function zsh(words: readonly Word[]): string {
  const commands = words.map(({ name, summary }) => `    ${quoted(`${name}:${summary.replaceAll(':', '\\:')}`)}`);
  const cases = words.map(({ name, operands, options }) => {
    const specs = options.map((option) => {
      const about = option.about.replaceAll(/[[\]:]/g, ' ');
      const action =
        option.values.length > 0 ? `:value:(${option.values.join(' ')})` : option.takesPath ? ':path:_files' : '';
      const flags = option.flags.length > 1 ? `{${option.flags.join(',')}}` : option.flags[0];
      return `        ${flags}${quoted(`[${about}]${action}`)}`;
    });
    if (operands.length > 0) specs.push(`        ':operand:(${operands.join(' ')})'`);
    return `    ${name}) _arguments \\\n${specs.join(' \\\n')} ;;`;
  });
  return `#compdef rampart kubectl-rampart
_rampart() {
  local -a commands
  commands=(
${commands.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe 'command' commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${cases.join('\n')}
  esac
}
compdef _rampart rampart kubectl-rampart
`;
}

function fish(words: readonly Word[]): string {
  const lines = words.flatMap(({ name, summary, operands, options }) => [
    `complete -c rampart -f -n __fish_use_subcommand -a ${name} -d ${quoted(summary)}`,
    ...(operands.length === 0
      ? []
      : [
          `complete -c rampart -f -n ${quoted(`__fish_seen_subcommand_from ${name}`)} -a ${quoted(operands.join(' '))}`,
        ]),
    ...options.map((option) => {
      const flags = option.flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
      const values =
        option.values.length > 0 ? ` -x -a ${quoted(option.values.join(' '))}` : option.takesPath ? ' -r -F' : '';
      return `complete -c rampart -n ${quoted(`__fish_seen_subcommand_from ${name}`)} ${flags.join(' ')} -d ${quoted(option.about)}${values}`;
    }),
  ]);
  return `# fish completion for rampart\n${lines.join('\n')}\n`;
}

const SCRIPTS = { bash, zsh, fish } as const;
