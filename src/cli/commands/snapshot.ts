import { snapshot as snapshotText } from '../../io/snapshot.ts';
import { writeAnswer, writeFileWhole } from '../../io/terminal.ts';
import { diagnosticLines } from '../../report/formats/text/diagnostics.ts';
import { EXIT } from '../exit-code.ts';
import { addInputOptions, type InputOptions, readObjects } from '../input-options.ts';
import type { CliCommand } from '../shell.ts';

const EXAMPLES = `
Examples:
  rampart snapshot --out cluster.yaml
  rampart snapshot --context production | gzip > production.yaml.gz
  rampart connectivity -f cluster.yaml

Lists only (needs get and list); writes no secrets, annotations, environment, commands or volumes. What could not be
read is recorded, so that answers from the file stay as careful as those from the cluster.
`;

export const snapshot: CliCommand = {
  define(command, run) {
    addInputOptions(command)
      .option('--out <file>', 'write there instead of stdout')
      .option('-q, --quiet', 'no diagnostics and no progress on stderr')
      .addHelpText('after', EXAMPLES)
      .action((options: InputOptions & { readonly out?: string }) =>
        run(async (shell) => {
          const { objects, diagnostics, live } = await readObjects(options, shell);
          const text = snapshotText(objects, {
            context: live?.context ?? null,
            serverVersion: live?.serverVersion ?? null,
            time: new Date().toISOString(),
            missing: live?.missing ?? [],
            cni: live?.cni ?? null,
          });
          if (options.quiet !== true) {
            for (const line of diagnosticLines(diagnostics, { colour: false })) shell.stderr.write(`${line}\n`);
          }
          if (options.out === undefined) await writeAnswer(shell.stdout, text);
          else {
            writeFileWhole(options.out, text);
            if (options.quiet !== true) shell.stderr.write(`wrote ${options.out}\n`);
          }
          return diagnostics.some(({ severity }) => severity === 'error') ? EXIT.findings : EXIT.fine;
        }),
      );
  },
};
