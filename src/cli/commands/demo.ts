import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Option } from 'commander';
import { CompiledProgram } from '../../engine/compiled/compile.ts';
import { TrafficTable } from '../../engine/compiled/traffic.ts';
import { connectivity } from '../../engine/connectivity/connectivity.ts';
import { diff } from '../../engine/diff.ts';
import { type Input, readPaths } from '../../io/files.ts';
import { IoError } from '../../io/io-error.ts';
import { type ColorChoice, useColor } from '../../io/terminal.ts';
import type { Origin } from '../../model/origin.ts';
import type { Reason } from '../../model/verdict.ts';
import { type Paint, painter } from '../../report/formats/text/paint.ts';
import { render } from '../../report/registry.ts';
import { EXIT } from '../exit-code.ts';
import { fromManifests, type Loaded, understand } from '../input-options.ts';
import type { CliCommand } from '../shell.ts';
import { explanationOf } from './explain.ts';

const QUESTION = { source: 'shop/checkout', destination: 'svc/payments/gateway:8443' } as const;
/** What the mistake is, and what it should be. */
const WRONG = 'port: 8443';
const RIGHT = 'port: 8080';

const EXAMPLES = `
Examples:
  rampart demo
  rampart demo --color never
`;

/** A tour of the bundled shop: needs no cluster, no network and no rights. */
export const demo: CliCommand = {
  define(command, run) {
    command
      .addOption(new Option('--color <when>', 'colours').choices(['auto', 'always', 'never']).default('auto'))
      .addHelpText('after', EXAMPLES)
      .action((options: { readonly color: ColorChoice }) =>
        run(async ({ stdout, env, cwd }) => {
          const colour = useColor(options.color, stdout.isTTY === true, env);
          const width = stdout.isTTY === true ? stdout.columns : undefined;
          for (const part of await tour(shopFolder(cwd), colour, width)) stdout.write(part);
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

async function tour(folder: string, colour: boolean, width: number | undefined): Promise<readonly string[]> {
  const paint = painter(colour);
  const options = { colour, ...(width === undefined ? {} : { width }) };
  const files = await readPaths([folder]);
  const before = understand(fromManifests(files));
  const traffic = new TrafficTable();
  const compiled = (loaded: Loaded) => ({
    program: new CompiledProgram(loaded.program, loaded.cluster, { traffic }),
    cluster: loaded.cluster,
  });
  const shop = compiled(before);
  const policies = before.program.tiers.reduce((sum, tier) => sum + tier.policies.length, 0);
  const heading = (text: string): string => `\n${paint('heading', text)}\n\n`;
  const asked = (text: string): string => `${paint('dim', `$ ${text}`)}\n\n`;

  const answer = explanationOf(before, QUESTION.source, QUESTION.destination);
  const denied = [answer.egress, answer.ingress].find((end) => end?.verdict === 'denied') ?? null;
  const nearMiss = denied?.reasons.find((reason) => reason.kind === 'near-miss') ?? null;

  const mended = mend(files);
  const after = understand(fromManifests(mended));
  const verdict = explanationOf(after, QUESTION.source, QUESTION.destination).verdict;
  const changes = diff(shop, compiled(after));

  return [
    `${paint('strong', 'A shop')}: ${before.cluster.namespaces.size} namespaces, ${before.cluster.workloads.length} workloads, ${policies} policies, all in ${folder}\n`,
    heading('1. Who reaches whom?'),
    asked(`rampart connectivity -f ${folder}`),
    render(connectivity(shop.program, shop.cluster), 'text', options),
    heading('2. Customers cannot pay. Why?'),
    asked(`rampart explain ${QUESTION.source} ${QUESTION.destination} -f ${folder}`),
    ...story(answer.verdict, denied?.reasons[0] ?? null, nearMiss, paint),
    heading('3. Which line to change'),
    ...(nearMiss?.origin === null || nearMiss === null ? [] : excerpt(nearMiss.origin, files, paint)),
    ...answer.fixes.map((fix) => `${paint('strong', 'fix')}: ${fix.text}\n`),
    `\nPolicies see the pod's port: the Service gateway listens on 8443 and leads to port 8080 of its pods.\n`,
    heading('4. And what would that change open?'),
    asked(`rampart diff --from ${folder} --to the-mended-shop`),
    render(changes, 'text', options),
    `\n${QUESTION.source} → ${QUESTION.destination} would be ${paint(verdict === 'allowed' ? 'allowed' : 'denied', verdict)}.\n`,
    heading('Next'),
    `  rampart connectivity -f ${folder} -o html --out shop.html   a page with search, matrix and every "why"\n`,
    `  rampart exposure -f ${folder}                               who could get in, also from pods that do not exist yet\n`,
    '  rampart connectivity                                             your own cluster, read-only\n',
    '  rampart --help\n',
  ];
}

function story(verdict: string, deciding: Reason | null, nearMiss: Reason | null, paint: Paint): readonly string[] {
  return [
    `${paint(verdict === 'allowed' ? 'allowed' : 'denied', verdict.toUpperCase())}  ${QUESTION.source} → ${QUESTION.destination}\n`,
    ...(deciding === null ? [] : [`  because  ${deciding.text}\n`]),
    ...(nearMiss === null ? [] : [`  nearly   ${nearMiss.text}\n`]),
  ];
}

/** The lines around a place, with a mark under it. */
function excerpt(origin: Origin, files: readonly Input[], paint: Paint): readonly string[] {
  const { source } = origin.object;
  const file = files.find((one) => one.file === source?.file);
  if (source === null || file === undefined) return [];
  const { line, column } = source.locate(origin.field);
  const lines = new TextDecoder().decode(file.bytes).split('\n');
  const out = [`${paint('strong', `${file.file}:${line}:${column}`)}\n`];
  for (let at = Math.max(1, line - 6); at <= Math.min(lines.length, line + 1); at++) {
    const text = lines[at - 1] ?? '';
    const here = at === line;
    out.push(`${paint(here ? 'denied' : 'dim', `${here ? '>' : ' '} ${String(at).padStart(4)} | ${text}`)}\n`);
    if (here) out.push(`${paint('denied', `       | ${' '.repeat(column - 1)}^`)}\n`);
  }
  return out;
}

/** The example with its mistake mended. */
function mend(files: readonly Input[]): readonly Input[] {
  return files.map((file) => {
    if (!file.file.endsWith(join('payments', 'policies.yaml'))) return file;
    const text = readFileSync(file.file, 'utf8').replace(WRONG, RIGHT);
    return { file: file.file, bytes: new TextEncoder().encode(text) };
  });
}
