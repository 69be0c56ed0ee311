// Rampart on a real Kubernetes, with real pods: `npm run test:e2e [-- --cni ptp|bridge|both] [--specs all|few|none|REGEX] [--keep]`.
// Without arguments: Kubernetes' whole NetworkPolicy suite and our own tests, on both kinds of network.
// With --layouts instead: agents with a table of another layout are upgraded under traffic, and rolled back.
// @ts-check
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const top = join(dirname(fileURLToPath(import.meta.url)), '..');
const { values } = parseArgs({
  options: {
    cni: { type: 'string', default: 'both' },
    specs: { type: 'string', default: 'all' },
    keep: { type: 'boolean', default: false },
    layouts: { type: 'boolean', default: false },
  },
});
const networks = values.cni === 'both' ? ['ptp', 'bridge'] : [values.cni];
if (networks.some((cni) => cni !== 'ptp' && cni !== 'bridge')) {
  console.error('--cni is `ptp`, `bridge` or `both`');
  process.exit(2);
}

const helm = spawnSync('sh', [join(top, 'scripts/helm.sh')], { stdio: ['ignore', 'ignore', 'inherit'] });
if (helm.status !== 0) console.log('without Helm: installing by kustomize');

const scratch = mkdtempSync(join(tmpdir(), 'rampart-e2e-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
const total = { passed: 0, failed: 0, skipped: 0 };
for (const cni of networks) {
  console.log(`\n── ${cni}`);
  if (values.layouts) {
    const { status } = spawnSync(process.execPath, [join(top, 'test/e2e/layouts.ts')], {
      cwd: top,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, RAMPART_E2E_CNI: cni, RAMPART_E2E_KEEP: values.keep ? '1' : '0' },
    });
    total[status === 0 ? 'passed' : 'failed'] += 1;
    continue;
  }
  const summaryFile = join(scratch, `${cni}.json`);
  const { status } = spawnSync('vitest', ['run', '--no-file-parallelism', 'test/e2e'], {
    cwd: top,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      ...process.env,
      PATH: [join(top, 'node_modules/.bin'), process.env.PATH].join(delimiter),
      RAMPART_TEST_SUMMARY: summaryFile,
      RAMPART_E2E_CNI: cni,
      RAMPART_E2E_SPECS: values.specs,
      RAMPART_E2E_CONFORMANCE: values.specs === 'all' ? '1' : '0',
      RAMPART_E2E_KEEP: values.keep ? '1' : '0',
    },
  });
  try {
    /** @type {import('../test/support/summary-reporter.ts').Summary} */
    const summary = JSON.parse(readFileSync(summaryFile, 'utf8'));
    total.passed += summary.passed;
    total.failed += summary.failed;
    total.skipped += summary.skipped.length;
    if (status !== 0 && summary.failed === 0) total.failed += 1;
  } catch {
    total.failed += 1;
  }
}
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
process.exitCode = total.failed > 0 ? 1 : 0;
