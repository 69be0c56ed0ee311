/** The flows of the conformance vectors, asked as a user would ask them. */
import { describe, expect, test } from 'vitest';
import { indexCluster } from '../../src/cluster/cluster-index.ts';
import { parseEndpoint } from '../../src/cluster/endpoint-text.ts';
import { findEndpoint } from '../../src/cluster/find.ts';
import { type AskedEnd, answerQuestion } from '../../src/engine/explain/answer.ts';
import { prepareExplain } from '../../src/engine/explain/prepare.ts';
import { factsOf } from '../../src/engine/match.ts';
import { casesOf, hasVectors, inputOfCase, readCase } from '../conformance/case.ts';

/** The suites that state single flows. */
const SUITES = ['k8s-e2e', 'cyclonus', 'cnp-docs'];

describe.runIf(hasVectors())('answers and the conformance vectors', () => {
  test.each(SUITES)('S1.2: the flows of %s', (suite) => {
    let asked = 0;
    const wrong: string[] = [];
    for (const name of casesOf(suite)) {
      const id = `${suite}/${name}`;
      const { flows = [] } = readCase(id);
      if (flows.length === 0) continue;
      const { cluster, program } = inputOfCase(id);
      const prepared = prepareExplain(program, factsOf(cluster));
      const index = indexCluster(cluster);
      const endOf = (text: string): AskedEnd => {
        const parsed = parseEndpoint(text);
        if (!parsed.ok) throw new Error(parsed.message);
        const found = findEndpoint(index, parsed.endpoint, { podFirst: true });
        if (found.kind === 'unknown') throw new Error(`${id}: ${found.message}`);
        return found;
      };
      for (const { src, dst, protocol, port, allowed } of flows) {
        const question = { source: endOf(src), destination: endOf(dst), protocol, port, direction: null };
        const answer = answerQuestion(prepared, question);
        asked++;
        if (answer.verdict !== (allowed ? 'allowed' : 'denied')) {
          wrong.push(`${id}: ${src} → ${dst} ${protocol} ${port} is ${answer.verdict}: ${answer.undefinedBecause}`);
        }
        if (answer.verdict === 'denied' && answer.egress?.decidedBy === null && answer.ingress?.decidedBy === null) {
          wrong.push(`${id}: ${src} → ${dst} is denied by nothing`);
        }
      }
    }
    console.log(`${suite}: ${asked} flows asked, ${wrong.length} differ`);
    expect(wrong.slice(0, 10)).toEqual([]);
    expect(asked).toBeGreaterThan(200);
  });
});
