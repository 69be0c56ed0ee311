import { existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Option } from 'commander';
import { IoError } from '../../io/io-error.ts';
import { type ColorChoice, useColor } from '../../io/terminal.ts';
import { labTour } from '../demo-lab.ts';
import { offlineTour } from '../demo-offline.ts';
import { EXIT } from '../exit-code.ts';
import type { CliCommand } from '../shell.ts';

const EXAMPLES = `
Examples:
  rampart demo
  rampart demo --offline       no packets: what the policies say
  rampart demo --color never

The tour brings up a small cluster on this machine: nodes and pods are network namespaces, the
kernel enforces the policies, connections are real. It needs Linux, nftables, iproute2, and root
or a kernel that lets users make namespaces. Nothing of it is left behind. Where that cannot be
had, the tour is told without packets.
`;

/** A tour of the bundled shop: needs no cluster and no network. */
export const demo: CliCommand = {
  define(command, run) {
    command
      .option('--offline', 'without packets')
      .addOption(new Option('--color <when>', 'colours').choices(['auto', 'always', 'never']).default('auto'))
      .addHelpText('after', EXAMPLES)
      .action((options: { readonly color: ColorChoice; readonly offline?: boolean }) =>
        run(async (shell) => {
          const { stdout, stderr, env, cwd } = shell;
          const colour = useColor(options.color, stdout.isTTY === true, env);
          const folder = shopFolder(cwd);
          if (options.offline !== true) {
            const impossible = await labTour(folder, colour, shell);
            if (impossible === null) return EXIT.fine;
            stderr.write(`no lab on this machine: ${impossible.message}\n`);
            if (impossible.help !== undefined) stderr.write(`  help: ${impossible.help}\n`);
            stderr.write('the tour goes on without packets\n');
          }
          const width = stdout.isTTY === true ? stdout.columns : undefined;
          for (const part of await offlineTour(folder, colour, width)) stdout.write(part);
          return EXIT.fine;
        }),
      );
  },
};

/** The folder of the example, beside the bundle or the sources; as short as it can be written. */
function shopFolder(cwd: string): string {
  const here = dirname(fileURLToPath(import.meta.url));
  for (const up of ['..', join('..', '..'), join('..', '..', '..'), '.']) {
    const folder = join(here, up, 'examples', 'shop');
    if (existsSync(folder)) {
      const short = relative(cwd, folder);
      return short.startsWith('..') ? folder : short;
    }
  }
  throw new IoError('not-found', 'the example `examples/shop` is missing from this installation', {
    help: 'install Rampart again',
  });
}
