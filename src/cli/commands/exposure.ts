import { CompiledProgram } from '../../engine/compiled/compile.ts';
import { exposure as exposureOf } from '../../engine/exposure.ts';
import { exposureWithoutPods } from '../../engine/unread-pods.ts';
import { addInputOptions, type InputOptions, load } from '../input-options.ts';
import {
  addOutputOptions,
  addShowOptions,
  answer,
  checkShow,
  type OutputOptions,
  type ShowOptions,
} from '../output-options.ts';
import type { CliCommand } from '../shell.ts';
import { shownWorkloads } from '../show.ts';

const EXAMPLES = `
Examples:
  rampart exposure -f manifests/
  rampart exposure -f manifests/ -n payments
  rampart exposure -f manifests/ -l tier=db -o markdown
  rampart exposure --context production -o json

Each row is granted to every pod of its class of peers, whether such pods exist or not.
`;

export const exposure: CliCommand = {
  define(command, run) {
    addOutputOptions(addShowOptions(addInputOptions(command)), 'ExposureReport')
      .addHelpText('after', EXAMPLES)
      .action((options: InputOptions & OutputOptions & ShowOptions) =>
        run(async (shell) => {
          checkShow(options);
          const loaded = await load(options, shell);
          const shown = shownWorkloads(loaded.cluster, options, shell);
          const known = exposureOf(
            new CompiledProgram(loaded.program, loaded.cluster),
            loaded.cluster,
            loaded.diagnostics,
          );
          const report = exposureWithoutPods(known, loaded.cluster);
          if (shown === null) return answer(report, options, shell);
          return answer(
            {
              ...report,
              entries: report.entries.filter(({ workload }) => shown(workload)),
              unprotected: report.unprotected.filter(({ workload }) => shown(workload)),
              unspecified: report.unspecified.filter((pair) => pair.some(shown)),
            },
            options,
            shell,
          );
        }),
      );
  },
};
