import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { generateFiles } from './generate/cluster.ts';
import { type ClusterOptions, POLICY_KIND_NAMES, SIZES } from './generate/shape.ts';
import { toYamlStream } from './generate/yaml.ts';

export { generateCluster, generateFiles } from './generate/cluster.ts';
export { type ClusterOptions, SIZES } from './generate/shape.ts';

const USAGE = `usage: node bench/generate.ts --size S|M|L|pods=N,policies=N --out DIR
       [--format yaml|json] [--seed N] [--open] [--bare-pods] [--kinds np,cnp,anp]`;

function usageError(message: string): never {
  process.stderr.write(`${message}\n${USAGE}\n`);
  process.exit(64);
}

function wholeNumber(text: string, option: string): number {
  if (!/^\d+$/.test(text)) usageError(`${option}: \`${text}\` is not a whole number`);
  return Number(text);
}

const SIZE_KEYS = ['pods', 'policies', 'namespaces', 'workloadsPerNamespace', 'replicas', 'nodes'] as const;
type SizeKey = (typeof SIZE_KEYS)[number];

/** `S`, `M`, `L`, or a list like `pods=1000,policies=100`. */
function parseSize(text: string): ClusterOptions {
  if (text === 'S' || text === 'M' || text === 'L') return SIZES[text];
  const size: Partial<Record<SizeKey, number>> = {};
  for (const part of text.split(',')) {
    const [key, value] = part.split('=');
    const known = SIZE_KEYS.find((candidate) => candidate === key);
    if (known === undefined || value === undefined) {
      usageError(`--size: \`${part}\` is neither S, M, L nor one of ${SIZE_KEYS.join('=N, ')}=N`);
    }
    size[known] = wholeNumber(value, '--size');
  }
  return size;
}

function main(): void {
  const { values } = parseArgs({
    options: {
      size: { type: 'string', default: 'S' },
      out: { type: 'string' },
      format: { type: 'string', default: 'yaml' },
      seed: { type: 'string', default: '1' },
      open: { type: 'boolean', default: false },
      'bare-pods': { type: 'boolean', default: false },
      kinds: { type: 'string', default: 'np' },
    },
  });
  if (values.out === undefined) usageError('--out is missing');
  if (values.format !== 'yaml' && values.format !== 'json') usageError(`--format: \`${values.format}\` is unknown`);
  const kinds = values.kinds
    .split(',')
    .map((name) => POLICY_KIND_NAMES.find((known) => known === name) ?? usageError(`--kinds: \`${name}\` is unknown`));
  const files = generateFiles({
    ...parseSize(values.size),
    seed: wholeNumber(values.seed, '--seed'),
    open: values.open,
    barePods: values['bare-pods'],
    kinds,
  });
  mkdirSync(values.out, { recursive: true });
  const count = { Pod: 0, policies: 0, objects: 0 };
  for (const [name, objects] of files) {
    const text =
      values.format === 'yaml'
        ? toYamlStream(objects)
        : `${JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })}\n`;
    writeFileSync(join(values.out, `${name}.${values.format}`), text);
    for (const { kind } of objects) {
      count.objects += 1;
      if (kind === 'Pod') count.Pod += 1;
      if (typeof kind === 'string' && kind.endsWith('NetworkPolicy')) count.policies += 1;
    }
  }
  process.stderr.write(
    `${values.out}: ${files.size} files, ${count.objects} objects, ${count.Pod} pods, ${count.policies} policies\n`,
  );
}

if (import.meta.main) main();
