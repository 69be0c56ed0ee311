import { CompiledProgram } from '../engine/compiled/compile.ts';
import { TrafficTable } from '../engine/compiled/traffic.ts';
import { connectivity } from '../engine/connectivity/connectivity.ts';
import { diff } from '../engine/diff.ts';
import { readPaths } from '../io/files.ts';
import { painter } from '../report/formats/text/paint.ts';
import { render } from '../report/registry.ts';
import { explanationOf } from './commands/explain.ts';
import { excerpt, mend, QUESTION, story } from './demo-words.ts';
import { fromManifests, type Loaded, understand } from './input-options.ts';

/** The tour that needs no rights: what the policies of the example say. */
export async function offlineTour(
  folder: string,
  colour: boolean,
  width: number | undefined,
): Promise<readonly string[]> {
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
