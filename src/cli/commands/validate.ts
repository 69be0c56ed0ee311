import type { JsonObject, KubeObject } from '../../manifest/object.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { type Labels, selects } from '../../model/selector.ts';
import { addInputOptions, type InputOptions, type Loaded, load } from '../input-options.ts';
import {
  addOutputOptions,
  addShowOptions,
  answer,
  checkShow,
  type OutputOptions,
  type ShowOptions,
} from '../output-options.ts';
import type { CliCommand } from '../shell.ts';
import { checkNamespace, parseSelector } from '../show.ts';

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
          const loaded = await load(options, shell);
          const diagnostics = loaded.diagnostics.filter(shownOf(loaded, options));
          return answer({ kind: 'ValidationReport', diagnostics }, options, shell);
        }),
      );
  },
};

/** What could not be decoded may be anyone's, and what is cluster-scoped everyone's: neither is ever left out by `-n`. */
function shownOf(loaded: Loaded, { namespace, selector }: ShowOptions): (diagnostic: Diagnostic) => boolean {
  if (namespace !== undefined) checkNamespace(namespace, namespacesOf(loaded));
  const wanted = selector === undefined ? null : parseSelector(selector);
  const labels = new Map(loaded.objects.map((object) => [object.ref, labelsOf(object)]));
  return ({ origin }) => {
    if (origin === null) return true;
    const { object } = origin;
    if (namespace !== undefined && object.namespace !== null && object.namespace !== namespace) return false;
    const own = labels.get(object);
    return wanted === null || own === undefined || selects(wanted, own);
  };
}

/** All namespaces that are named anywhere, be it by an object that is refused. */
function namespacesOf({ cluster, objects, diagnostics }: Loaded): ReadonlySet<string> {
  const refs = [...objects.map(({ ref }) => ref), ...diagnostics.flatMap(({ origin }) => origin?.object ?? [])];
  return new Set([...cluster.namespaces.keys(), ...refs.flatMap(({ namespace }) => namespace ?? [])]);
}

function labelsOf({ value }: KubeObject): Labels {
  const labels = fieldOf(fieldOf(value, 'metadata'), 'labels');
  const texts = Object.entries(labels).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  return new Map(texts);
}

function fieldOf(value: JsonObject, key: string): JsonObject {
  const field = Object.hasOwn(value, key) ? value[key] : null;
  return typeof field === 'object' && field !== null && !Array.isArray(field) ? (field as JsonObject) : {};
}
