import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { agentMetrics } from '../../src/agent/metrics.ts';
import { flagOf, SETTINGS, type Setting, showInitial, variableOf } from '../../src/agent/settings.ts';
import { TOP } from '../support/source-files.ts';
import { rig } from './rig.ts';

const PAGE = join(TOP, 'docs/guide/agent.md');

/** The text between two marks of the page is made of `rows`; RAMPART_WRITE_DOCS=1 writes it. */
function holds(mark: string, rows: readonly string[]): void {
  const page = readFileSync(PAGE, 'utf8');
  const [begin, end] = [`<!-- ${mark} -->\n`, `<!-- end of ${mark} -->`];
  const from = page.indexOf(begin) + begin.length;
  const to = page.indexOf(end);
  const wanted = `${page.slice(0, from)}${rows.join('\n')}\n${page.slice(to)}`;
  if (process.env.RAMPART_WRITE_DOCS === '1') writeFileSync(PAGE, wanted);
  expect(page.includes(begin) && to >= from).toBe(true);
  expect(readFileSync(PAGE, 'utf8')).toBe(wanted);
}

it('the guide has every setting (RAMPART_WRITE_DOCS=1 writes it)', () => {
  const rows = (Object.entries(SETTINGS) as readonly [string, Setting][]).map(([name, setting]) => {
    const { kind, summary, initial, live } = setting;
    const usual = typeof initial === 'boolean' ? String(initial) : showInitial(setting);
    const flag = initial === true ? flagOf(name).replace('--', '--no-') : flagOf(name);
    const cells = [
      `\`${name}\``,
      `\`${flag}\``,
      `\`${kind.form.replaceAll('|', '\\|')}\``,
      usual === '' ? '' : `\`${usual}\``,
      live ? 'at once' : '',
      summary,
    ];
    return `| ${cells.join(' | ')} |`;
  });
  const head = '| in the file | flag | takes | by itself | changes | what it is |\n|---|---|---|---|---|---|';
  holds('settings', [head, ...rows]);
  expect(variableOf('logLevel')).toBe('RAMPART_AGENT_LOG_LEVEL');
});

it('the guide has every metric (RAMPART_WRITE_DOCS=1 writes it)', async () => {
  const one = rig();
  const { compiler, status } = one.loop;
  const sources = { kernel: one.kernel, compiler, status, state: one.state, watches: () => [], clock: one.clock };
  const text = await agentMetrics(sources, { default: false }).render();
  const rows = [...text.matchAll(/^# HELP (\S+) (.*)\n# TYPE \S+ (\S+)/gm)].map(
    ([, name = '', help = '', type = '']) => `| \`${name}\` | ${type} | ${help} |`,
  );
  holds('metrics', ['| metric | type | what it says |\n|---|---|---|', ...rows.sort()]);
});
