import { asLines, inChunks } from '../chunks.ts';
import type { Format } from '../format.ts';
import { expectedBecause, flowName } from '../probe-words.ts';
import { questionText } from '../questions.ts';
import type { ProbedFlow, ProbeReport, Report, SmokeCheck, SmokeReport } from '../report.ts';
import { visible } from '../visible.ts';

/** Text inside of XML: nothing becomes markup, and characters that XML 1.0 does not have are written out. */
function xml(text: string): string {
  return visible(text)
    .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]|[\ufffe\uffff]/g, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

interface Case {
  readonly className: string;
  readonly name: string;
  readonly seconds: number;
  readonly failure: { readonly message: string; readonly body: readonly string[] } | null;
  readonly skipped: string | null;
}

function* suite(name: string, seconds: number, cases: readonly Case[]): Generator<string> {
  const failures = cases.filter(({ failure }) => failure !== null).length;
  const skipped = cases.filter(({ skipped: why }) => why !== null).length;
  const figures = `tests="${cases.length}" failures="${failures}" errors="0" skipped="${skipped}" time="${seconds}"`;
  yield '<?xml version="1.0" encoding="UTF-8"?>';
  yield `<testsuites name="rampart" ${figures}>`;
  yield `  <testsuite name="${xml(name)}" ${figures}>`;
  for (const one of cases) {
    const open = `    <testcase classname="${xml(one.className)}" name="${xml(one.name)}" time="${one.seconds}"`;
    if (one.failure !== null) {
      yield `${open}>`;
      yield `      <failure message="${xml(one.failure.message)}">${one.failure.body.map(xml).join('\n')}</failure>`;
      yield '    </testcase>';
    } else if (one.skipped !== null) {
      yield `${open}><skipped message="${xml(one.skipped)}"/></testcase>`;
    } else yield `${open}/>`;
  }
  yield '  </testsuite>';
  yield '</testsuites>';
}

function caseOf(flow: ProbedFlow): Case {
  const slowest = flow.attempts.reduce((max, { ms }) => Math.max(max, ms), 0);
  const message = `expected ${flow.verdict}, observed ${flow.observed}: ${flow.detail}`;
  const attempts = flow.attempts.map(({ from, to, observed, detail }) => `${from} → ${to}: ${observed}, ${detail}`);
  return {
    className: questionText(flow.question, 'src'),
    name: flowName(flow),
    seconds: slowest / 1000,
    failure: flow.agrees ? null : { message, body: [...expectedBecause(flow), ...attempts, ...flow.trace] },
    skipped: flow.unverifiable,
  };
}

function probeCases(report: ProbeReport): Iterable<string> {
  return suite(`rampart probe: ${report.where}`, report.seconds, report.flows.map(caseOf));
}

function checkOf(check: SmokeCheck): Case {
  const message = `without a policy ${check.without}, with one that denies it ${check.denied}, after it ${check.after}`;
  const way = `${check.direction} ${check.protocol} IPv${check.family} ${check.placement}`;
  return {
    className: 'smoke',
    name: way,
    seconds: check.seconds ?? 0,
    failure: check.enforced === 'no' ? { message: `not enforced: ${message}`, body: [check.detail] } : null,
    skipped: check.enforced === 'unknown' ? check.detail : null,
  };
}

function smokeCases(report: SmokeReport): Iterable<string> {
  return suite(`rampart probe --smoke: ${report.where}`, report.seconds, report.checks.map(checkOf));
}

function lines<R extends Report>(of: (report: R) => Iterable<string>): (report: R) => Iterable<string> {
  return (report) => inChunks(asLines(of(report)));
}

export const junit: Format = {
  name: 'junit',
  mediaType: 'application/xml; charset=utf-8',
  extension: 'xml',
  renderers: { ProbeReport: lines(probeCases), SmokeReport: lines(smokeCases) },
};
