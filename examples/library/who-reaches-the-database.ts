/** The library alone, without Node: which workloads reach the database, and why does the web tier not? */
import {
  answerQuestion,
  CompiledProgram,
  connectivity,
  factsOf,
  findEndpoint,
  indexCluster,
  inputOf,
  parseEndpoint,
  prepareExplain,
  readManifests,
} from 'rampart';

/** The names of the workloads that reach `target`, and the reason why `source` does not at that port. */
export function whoReaches(
  manifests: readonly { readonly file: string; readonly text: string }[],
  target: string,
  source: string,
  port: number,
): { readonly reached: readonly string[]; readonly verdict: string; readonly because: string | undefined } {
  const { objects } = readManifests(manifests);
  const { cluster, program } = inputOf(objects);
  const report = connectivity(new CompiledProgram(program, cluster), cluster);

  const index = indexCluster(cluster);
  const find = (text: string) => {
    const parsed = parseEndpoint(text);
    if (!parsed.ok) throw new Error(parsed.message);
    const found = findEndpoint(index, parsed.endpoint, { podFirst: true });
    if (found.kind === 'unknown') throw new Error(found.message);
    return found;
  };
  const answer = answerQuestion(prepareExplain(program, factsOf(cluster)), {
    source: find(source),
    destination: find(target),
    protocol: 'TCP',
    port,
    direction: null,
  });
  const denied = [answer.egress, answer.ingress].find((end) => end?.verdict === 'denied');
  return {
    reached: report.allowed.filter(({ dst }) => dst.startsWith(`${target}[`)).map(({ src }) => src),
    verdict: answer.verdict,
    because: denied?.reasons[0]?.text,
  };
}
