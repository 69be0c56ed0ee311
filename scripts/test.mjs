// `npm test`: all checks, from a fresh clone on. Plain JavaScript for the system's Node, before anything is installed.
// @ts-check
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const top = join(dirname(fileURLToPath(import.meta.url)), '..');
const scratch = mkdtempSync(join(tmpdir(), 'rampart-test-'));
const summaryFile = join(scratch, 'summary.json');
// The project's own tools first, among them the Node that it pins.
const path = [join(top, 'node_modules', '.bin'), process.env.PATH].join(delimiter);

const total = { passed: 0, failed: 0, skipped: 0 };
/** @type {string[]} */
const notes = [];

/**
 * @param {string} title
 * @param {string} command
 * @param {readonly string[]} args
 */
function run(title, command, args) {
  console.log(`\n── ${title}`);
  // CI systems are taken for terminals with colours otherwise.
  const colours = process.stdout.isTTY || process.env.FORCE_COLOR ? {} : { NO_COLOR: '1' };
  const env = { ...process.env, ...colours, PATH: path, RAMPART_TEST_SUMMARY: summaryFile };
  const { status, signal, error } = spawnSync(command, args, {
    cwd: top,
    stdio: ['ignore', 'inherit', 'inherit'],
    env,
  });
  if (error !== undefined) console.log(`${command}: ${error.message}`);
  if (signal !== null) console.log(`${command} was ended by ${signal}`);
  return status === 0;
}

/**
 * @param {string} title
 * @param {string} command
 * @param {readonly string[]} args
 */
function check(title, command, ...args) {
  const fine = run(title, command, args);
  total[fine ? 'passed' : 'failed'] += 1;
  if (!fine) notes.push(`failed: ${title}`);
  return fine;
}

/** Tests that bring up machines of their own, one after another: side by side they would starve each other of time. */
const MACHINES = ['test/agent', 'test/e2e', 'test/faults', 'test/lab', 'test/lab-conformance', 'test/probe'];

/**
 * @param {string} title
 * @param {readonly string[]} args
 */
function vitest(title, args) {
  rmSync(summaryFile, { force: true });
  const fine = run(title, 'vitest', ['run', ...args]);
  /** @type {import('../test/support/summary-reporter.ts').Summary} */
  let summary;
  try {
    summary = JSON.parse(readFileSync(summaryFile, 'utf8'));
  } catch {
    total.failed += 1;
    notes.push('failed: the test run ended without a result');
    return;
  }
  total.passed += summary.passed;
  total.failed += summary.failed;
  total.skipped += summary.skipped.length;
  if (!fine && summary.failed === 0) {
    total.failed += 1;
    notes.push('failed: the test runner, although no test did');
  }
  /** @type {Map<string, { reason: string | null }[]>} */
  const byFile = new Map();
  for (const skip of summary.skipped) byFile.set(skip.file, [...(byFile.get(skip.file) ?? []), skip]);
  for (const [file, skipped] of byFile) {
    const reasons = [
      ...new Set(skipped.map(({ reason }) => reason ?? 'its precondition is missing, see the output above')),
    ];
    notes.push(`skipped: ${skipped.length} in ${file} (${reasons.join('; ')})`);
  }
}

process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

run('system packages', 'sh', ['scripts/system-packages.sh']);
// The launcher installs and builds what is missing, which is what a user's first start does too.
if (check('set-up and first start', './rampart', '--version')) {
  check('types', 'tsc', '-b');
  check('format and lint', 'biome', 'check', '.');
  const filters = process.argv.slice(2);
  if (filters.length > 0) vitest('tests', filters);
  else {
    vitest(
      'tests',
      MACHINES.flatMap((folder) => ['--exclude', `${folder}/**`]),
    );
    // Real packets on a busy machine: what fails once is tried once more, and vitest says so.
    vitest('tests on machines of their own', [
      '--no-file-parallelism',
      '--retry=1',
      ...MACHINES.map((folder) => `${folder}/`),
    ]);
  }
}

console.log('');
for (const note of notes) console.log(note);
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
process.exitCode = total.failed > 0 ? 1 : 0;
