import { Option } from 'commander';
import { yamlString } from '../../report/formats/yaml.ts';
import { EXIT } from '../exit-code.ts';
import type { CliCommand } from '../shell.ts';
import { VERSION } from '../version-text.ts';

const EXAMPLES = `
Examples:
  rampart version
  rampart version -o json
`;

export const version: CliCommand = {
  define(command, run) {
    command
      .addOption(
        new Option('-o, --output <format>', 'how the answer is written')
          .choices(['text', 'json', 'yaml'])
          .default('text'),
      )
      .addHelpText('after', EXAMPLES)
      .action((options: { readonly output: string }) =>
        run(async ({ stdout }) => {
          const facts = { version: VERSION, node: process.version, commit: COMMIT };
          stdout.write(written(facts, options.output));
          return EXIT.fine;
        }),
      );
  },
};

function written(facts: Readonly<Record<string, string | null>>, format: string): string {
  if (format === 'json') return `${JSON.stringify(facts)}\n`;
  if (format === 'text') return `rampart ${VERSION}\n`;
  const lines = Object.entries(facts).map(([key, value]) => `${key}: ${value === null ? 'null' : yamlString(value)}\n`);
  return lines.join('');
}

/** The commit that the bundle was built from; filled in by the bundler. */
const COMMIT: string | null = process.env.RAMPART_COMMIT ?? null;
