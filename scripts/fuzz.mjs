// `npm run fuzz`: the long runs of what `npm test` runs briefly. Run by the project's Node, which strips types.
// @ts-check
import { parseArgs } from 'node:util';

const USAGE = `usage: npm run fuzz -- --flows N [--seed N]       compare the interpreters over N flows of generated clusters
       npm run fuzz -- --mutations N [--seed N]   damage N manifests: no crash, no hang, nothing opened
`;

/** @returns {{ flows: number | null, mutations: number | null, seed: number } | null} */
function asked() {
  try {
    const { values } = parseArgs({
      options: { flows: { type: 'string' }, mutations: { type: 'string' }, seed: { type: 'string' } },
    });
    /** @param {string | undefined} text */
    const number = (text) => {
      if (text === undefined) return null;
      if (!/^\d+$/.test(text)) throw new Error(`\`${text}\` is not a number`);
      return Number(text);
    };
    const [flows, mutations] = [number(values.flows), number(values.mutations)];
    if (flows === null && mutations === null) return null;
    return { flows, mutations, seed: number(values.seed) ?? Math.floor(Math.random() * 1_000_000_000) };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    return null;
  }
}

const question = asked();
if (question === null) {
  process.stderr.write(USAGE);
  process.exitCode = 64;
} else {
  const { reportFlows, reportMutations } = await import('../test/fuzz/command.ts');
  if (question.flows !== null && !reportFlows(question.flows, question.seed)) process.exitCode = 1;
  if (question.mutations !== null && !(await reportMutations(question.mutations, question.seed))) process.exitCode = 1;
}
