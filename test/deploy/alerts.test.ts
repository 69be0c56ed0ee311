import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { describe, expect, it } from 'vitest';
import { inPath } from '../e2e/cluster.ts';
import { readText, TOP } from '../support/source-files.ts';

const RULES = join(TOP, 'deploy/chart/rampart/files/alerts.yaml');
const CASES = join(import.meta.dirname, 'alerts.promtool.yaml');
const promtool = inPath('promtool');
if (!promtool) console.log('skipped: there is no promtool to try the alerts with (Debian package prometheus)');

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly annotations: Readonly<Record<string, string>> }[];
  }[];
}
interface Cases {
  readonly tests: readonly {
    readonly alert_rule_test: readonly { readonly alertname: string; readonly exp_alerts: readonly unknown[] }[];
  }[];
}

const alerts = (load(readText('deploy/chart/rampart/files/alerts.yaml')) as Rules).groups.flatMap(({ rules }) => rules);
const names = alerts.map(({ alert }) => alert).sort();

describe('alerts', () => {
  it.skipIf(!promtool)('are accepted by Prometheus', () => {
    expect(execFileSync('promtool', ['check', 'rules', RULES], { encoding: 'utf8' })).toContain('SUCCESS');
  });

  it.skipIf(!promtool)('fire and stay silent as they should', () => {
    const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', CASES], { encoding: 'utf8' });
    expect(`${stdout}${stderr}`).toContain('SUCCESS');
    expect(status).toBe(0);
  });

  it.skipIf(!promtool)('are tried by tests that notice when an alert never fires', () => {
    const folder = mkdtempSync(join(tmpdir(), 'rampart-alerts-'));
    try {
      for (const name of names) {
        // Each alert in turn asks for a job that is not there.
        const text = readFileSync(RULES, 'utf8').replace(
          new RegExp(`(- alert: ${name}\n[\\s\\S]*?)(?=\n {6}- alert: |$)`),
          (rule) =>
            rule.replaceAll('job="rampart-agent"', 'job="x"').replaceAll('.*rampart.*-agent|rampart-agent', 'x'),
        );
        writeFileSync(join(folder, 'alerts.yaml'), text);
        writeFileSync(
          join(folder, 'cases.yaml'),
          readFileSync(CASES, 'utf8').replace('../../deploy/chart/rampart/files/alerts.yaml', 'alerts.yaml'),
        );
        const { status } = spawnSync('promtool', ['test', 'rules', 'cases.yaml'], { cwd: folder, encoding: 'utf8' });
        expect([name, status]).toEqual([name, 1]);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('each have a test in which they fire and one in which they do not', () => {
    const cases = (load(readFileSync(CASES, 'utf8')) as Cases).tests.flatMap((test) => test.alert_rule_test);
    const of = (fires: boolean): readonly string[] =>
      [
        ...new Set(cases.filter(({ exp_alerts }) => exp_alerts.length > 0 === fires).map(({ alertname }) => alertname)),
      ].sort();
    expect(of(true)).toEqual(names);
    expect(of(false)).toEqual(names);
  });

  it('each have a chapter that says what to do', () => {
    const guide = readText('docs/guide/alerts.md');
    const headings = [...guide.matchAll(/^## (\S+)$/gm)].map((match) => match[1] ?? '').sort();
    expect(headings).toEqual(names);
    for (const { alert, annotations } of alerts) {
      expect(annotations.runbook).toBe(`docs/guide/alerts.md#${alert.toLowerCase()}`);
    }
  });
});

describe('the dashboard', () => {
  it.skipIf(!promtool)('asks what Prometheus understands', () => {
    const dashboard = JSON.parse(readText('deploy/chart/rampart/files/dashboard.json')) as {
      readonly panels: readonly { readonly targets?: readonly { readonly expr: string }[] }[];
    };
    const questions = dashboard.panels.flatMap(({ targets }) => targets ?? []).map(({ expr }) => expr);
    const rules = questions.map((expr, i) => ({
      record: `question_${i}`,
      expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$node', '.*'),
    }));
    expect(rules.length).toBeGreaterThan(15);
    expect(rules.filter(({ expr }) => expr.includes('$'))).toEqual([]);
    const folder = mkdtempSync(join(tmpdir(), 'rampart-dashboard-'));
    try {
      writeFileSync(join(folder, 'rules.yaml'), JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
      const said = execFileSync('promtool', ['check', 'rules', join(folder, 'rules.yaml')], { encoding: 'utf8' });
      expect(said).toContain(`SUCCESS: ${rules.length} rules found`);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('metrics that alerts and the dashboard rest on', () => {
  const used = (text: string): readonly string[] =>
    [
      ...new Set(
        [...text.matchAll(/\brampart_agent_\w+/g)].map((match) => match[0].replace(/_(bucket|sum|count)$/, '')),
      ),
    ].sort();

  it.each(['alerts.yaml', 'dashboard.json'])('are there: %s', (file) => {
    const found = used(readText(`deploy/chart/rampart/files/${file}`));
    const metrics = readText('src/agent/metrics.ts');
    expect(found.length).toBeGreaterThan(4);
    expect(
      found.filter((name) => !metrics.includes(name) && !metrics.includes(name.replace('rampart_agent_', ''))),
    ).toEqual([]);
  });
});
