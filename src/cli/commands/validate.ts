import type { Diagnostic } from '../../model/diagnostic.ts';
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

const EXAMPLES = `
Examples:
  rampart validate -f manifests/
  kustomize build overlays/prod | rampart validate -f -
  rampart validate -f manifests/ -o json --fail-on warning

Says of policies what an API server (or the kind's own webhook) would say, with its field paths and messages, and of
every document whether it can be decoded. Exit code 3 if there is an error.
`;

export const validate: CliCommand = {
  define(command, run) {
    addOutputOptions(addShowOptions(addInputOptions(command)), 'ValidationReport')
      .addHelpText('after', EXAMPLES)
      .action((options: InputOptions & OutputOptions & ShowOptions) =>
        run(async (shell) => {
          checkShow(options);
          const { diagnostics } = await load(options, shell);
          const shown = (diagnostic: Diagnostic): boolean =>
            options.namespace === undefined || diagnostic.origin?.object.namespace === options.namespace;
          return answer({ kind: 'ValidationReport', diagnostics: diagnostics.filter(shown) }, options, shell);
        }),
      );
  },
};
