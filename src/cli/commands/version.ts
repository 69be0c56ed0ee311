import { Option } from 'commander';
import { EXIT } from '../exit-code.ts';
import type { CliCommand } from '../shell.ts';
import { VERSION } from '../version-text.ts';

export const version: CliCommand = {
  define(command, run) {
    command
      .addOption(
        new Option('-o, --output <format>', 'how the answer is written').choices(['text', 'json']).default('text'),
      )
      .action((options: { readonly output: string }) =>
        run(async ({ stdout }) => {
          const facts = { version: VERSION, node: process.version, commit: COMMIT };
          stdout.write(options.output === 'json' ? `${JSON.stringify(facts)}\n` : `rampart ${VERSION}\n`);
          return EXIT.fine;
        }),
      );
  },
};

/** The commit that the bundle was built from; filled in by the bundler. */
const COMMIT: string | null = process.env.RAMPART_COMMIT ?? null;
