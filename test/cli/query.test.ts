import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli, folderOf, type Json, json, remove } from './run-cli.ts';
import { WORLD } from './world.ts';

let folder = '';
let world = '';
beforeAll(() => {
  folder = folderOf({ 'world.yaml': WORLD });
  world = join(folder, 'world.yaml');
});
afterAll(() => remove(folder));

let files = 0;
function fileOf(text: string): string {
  const path = join(folder, `questions-${files++}`);
  writeFileSync(path, text);
  return path;
}

interface End {
  readonly verdict: string;
  readonly decidedBy: string | null;
  readonly reasons: readonly Json[];
}

interface Answer extends Json {
  readonly verdict: string;
  readonly undefinedBecause?: string;
  readonly caveats: readonly string[];
  readonly egress: End | null;
  readonly ingress: End | null;
}

async function ask(questions: readonly Json[]): Promise<readonly Answer[]> {
  const report = await json(['query', '-f', world, '--flows', fileOf(JSON.stringify(questions))]);
  return report.flows as readonly Answer[];
}

async function one(question: Json): Promise<Answer> {
  const [answer] = await ask([question]);
  if (answer === undefined) throw new Error('no answer');
  return answer;
}

const ALLOWED = { src: 'shop/api', dst: 'shop/db', protocol: 'TCP', port: 5432 };
const DENIED = { src: 'front/web', dst: 'shop/db', protocol: 'TCP', port: 5432 };

function expectShape(answer: Answer, question: Json): void {
  const { verdict, undefinedBecause, caveats, egress, ingress, ...rest } = answer;
  expect(rest).toEqual(question);
  expect(['allowed', 'denied', 'undefined']).toContain(verdict);
  if (verdict === 'undefined') expect(undefinedBecause).toMatch(/./);
  else expect(answer).not.toHaveProperty('undefinedBecause');
  expect(caveats.every((caveat) => typeof caveat === 'string')).toBe(true);
  for (const end of [egress, ingress]) {
    if (end === null) continue;
    expect(Object.keys(end)).toEqual(['verdict', 'decidedBy', 'reasons']);
    for (const reason of end.reasons) {
      expect(Object.keys(reason)).toEqual(['kind', 'policy', 'rule', 'tier', 'action', 'text', 'origin']);
      expect(['rule', 'isolation', 'default', 'node', 'self', 'near-miss']).toContain(reason.kind);
      expect(reason.text).toMatch(/./);
      const { origin } = reason;
      if (origin !== null) expect(Object.keys(origin as Json)).toEqual(['file', 'line', 'column']);
    }
  }
}

describe('an answer', () => {
  it('has the shape of the contract, whatever it says', async () => {
    const questions = [
      ALLOWED,
      DENIED,
      { ...DENIED, direction: 'ingress' },
      { src: 'shop/api', dst: 'shop/db' },
      { src: 'shop/nobody', dst: 'shop/db', protocol: 'TCP', port: 1 },
      { src: '8.8.8.8', dst: '192.168.0.1', protocol: 'UDP', port: 53 },
      { src: 'front/web', dst: 'fqdn:example.com', protocol: 'TCP', port: 443 },
      { src: 'shop/db', dst: '10.0.0.0/8', protocol: 'SCTP', port: 9 },
    ];
    const answers = await ask(questions);
    expect(answers).toHaveLength(questions.length);
    for (const [i, answer] of answers.entries()) expectShape(answer, questions[i] as Json);
  });

  it('names what decides at both ends, with its place', async () => {
    const answer = await one(ALLOWED);
    expect(answer.verdict).toBe('allowed');
    expect(answer.egress?.decidedBy).toBe('NetworkPolicy/shop/api#egress[0]');
    expect(answer.ingress?.decidedBy).toBe('NetworkPolicy/shop/db#ingress[0]');
    const line = 1 + WORLD.split('\n').findIndex((text) => text.includes('- from: [{podSelector'));
    expect(answer.ingress?.reasons[0]).toMatchObject({
      kind: 'rule',
      policy: 'NetworkPolicy/shop/db',
      rule: 'spec.ingress[0]',
      tier: 'networkpolicy',
      action: 'allow',
      origin: { file: world, line },
    });
  });

  it('of one end is that end’s alone', async () => {
    const egress = await one({ ...DENIED, direction: 'egress' });
    expect([egress.verdict, egress.egress?.verdict, egress.ingress]).toEqual(['allowed', 'allowed', null]);
    expect(egress.egress?.decidedBy).toBeNull();
    const ingress = await one({ ...DENIED, direction: 'ingress' });
    expect([ingress.verdict, ingress.egress, ingress.ingress?.verdict]).toEqual(['denied', null, 'denied']);
    expect(ingress.ingress?.decidedBy).toBe('NetworkPolicy/shop/db');
  });

  it('repeats the question verbatim, whatever its keys', async () => {
    const text = '[{"note":{"a":[1,null]},"__proto__":{"x":1},"dst":"shop/db","src":"shop/api","port":5432,"id":7}]';
    const { out } = await cli(['query', '-f', world, '--flows', fileOf(text), '-o', 'json']);
    expect(out).toContain(text.slice(1, -2).slice(0, 40));
    const [answer] = (JSON.parse(out) as { readonly flows: readonly Answer[] }).flows;
    expect(answer).toMatchObject({ note: { a: [1, null] }, id: 7, verdict: 'allowed' });
    expect(Object.keys(answer ?? {}).slice(0, 6)).toEqual(['note', '__proto__', 'dst', 'src', 'port', 'id']);
  });

  it('overrides a verdict that the question brings along', async () => {
    const answer = await one({ ...DENIED, verdict: 'allowed', undefinedBecause: 'old' });
    expect(answer.verdict).toBe('denied');
  });
});

describe('endpoints of questions', () => {
  const cases: readonly (readonly [string, Json, string])[] = [
    ['a pod’s address is the pod', { src: '10.1.0.5', dst: '10.1.0.6', protocol: 'TCP', port: 5432 }, 'allowed'],
    ['… over IPv6, too', { src: 'fd00::5', dst: 'fd00::6', protocol: 'TCP', port: 5432 }, 'allowed'],
    ['a pod always reaches itself', { src: '10.1.0.6', dst: '10.1.0.6', protocol: 'TCP', port: 1 }, 'allowed'],
    ['a Service’s name has the Service’s port', { ...ALLOWED, dst: 'svc/shop/db', port: 15432 }, 'allowed'],
    ['a Service’s address as well', { ...ALLOWED, dst: '10.96.0.10', port: 15432 }, 'allowed'],
    ['and not the pod’s port', { ...ALLOWED, dst: 'svc/shop/db', port: 5432 }, 'undefined'],
    ['a Service denies as its backends do', { ...DENIED, dst: '10.96.0.10', port: 15432 }, 'denied'],
    ['a node is governed by nothing', { src: 'shop/db', dst: '192.168.0.1', protocol: 'TCP', port: 22 }, 'allowed'],
    ['but the pod that it calls is', { ...DENIED, src: '192.168.0.1' }, 'denied'],
    [
      'a pod’s own node always reaches it',
      { src: '192.168.0.1', dst: 'shop/api', protocol: 'TCP', port: 1 },
      'allowed',
    ],
    ['an address is outside of the cluster', { ...DENIED, src: '203.0.113.9' }, 'denied'],
    [
      'two addresses outside are nobody’s business',
      { src: '1.1.1.1', dst: '9.9.9.9', protocol: 'TCP', port: 1 },
      'allowed',
    ],
    ['a workload is its pods', { src: 'front/deploy/web', dst: 'front/web', protocol: 'TCP', port: 8080 }, 'allowed'],
    ['a port by name', { ...ALLOWED, port: 'pg' }, 'allowed'],
    ['a port at the destination', { src: 'shop/api', dst: 'shop/db:5432' }, 'allowed'],
    ['a port at the destination with its protocol', { src: 'shop/api', dst: 'shop/db:5432/udp' }, 'denied'],
    ['a port written twice alike', { ...ALLOWED, dst: 'shop/db:5432' }, 'allowed'],
    ['a protocol in lower case, a port as text', { ...ALLOWED, protocol: 'tcp', port: '5432' }, 'allowed'],
    ['no port at all', { src: 'shop/api', dst: 'shop/db', protocol: 'TCP' }, 'undefined'],
    ['no port where none matters', { src: 'front/web', dst: 'front/web' }, 'allowed'],
    ['two families have nothing in common', { ...ALLOWED, src: 'fd00::5', dst: '10.1.0.6' }, 'undefined'],
  ];
  it.each(cases)('%s', async (_, question, verdict) => {
    const answer = await one(question);
    expect(answer.verdict).toBe(verdict);
  });

  it('ICMP between IPv6 addresses is ICMPv6', async () => {
    const over6 = await one({ src: 'fd00::5', dst: 'fd00::6', protocol: 'ICMP' });
    expect(over6.protocol).toBe('ICMP');
    expect(JSON.stringify(over6)).toContain('ICMPv6');
    const over4 = await one({ src: '10.1.0.5', dst: '10.1.0.6', protocol: 'ICMP' });
    expect(JSON.stringify(over4)).not.toContain('ICMPv6');
    expect([over4.verdict, over6.verdict]).toEqual(['denied', 'denied']);
  });

  it('a missing port names the ports apart', async () => {
    const answer = await one({ src: 'shop/api', dst: 'shop/db', protocol: 'TCP' });
    expect(answer.undefinedBecause).toBe(
      'depends on the port: allowed for TCP 5432, denied for TCP 1-5431 and TCP 5433-65535',
    );
  });
});

describe('questions that cannot be answered', () => {
  const wrong: readonly (readonly [Json, string])[] = [
    [{ ...ALLOWED, src: 'shop/nobody' }, 'there is no pod or workload `nobody` in namespace `shop`'],
    [{ ...ALLOWED, dst: 'nowhere/db' }, 'there is no namespace `nowhere`'],
    [{ ...ALLOWED, src: 5 }, '`src` is missing or no text'],
    [{ src: 'shop/api' }, '`dst` is missing or no text'],
    [{ ...ALLOWED, port: 0 }, '`0` is no port'],
    [{ ...ALLOWED, port: 65536 }, '`65536` is no port'],
    [{ ...ALLOWED, port: 1.5 }, '`1.5` is no port'],
    [{ ...ALLOWED, protocol: 'HTTP' }, '`HTTP` is no protocol'],
    [{ ...ALLOWED, direction: 'both' }, '`both` is no direction'],
    [{ ...ALLOWED, src: 'shop/api:80' }, 'the port belongs to the destination'],
    [{ ...ALLOWED, dst: 'shop/db:80' }, '`dst` says port 80, `port` says 5432'],
    [{ ...ALLOWED, dst: '' }, 'the endpoint is empty'],
  ];
  it.each(wrong)('%j', async (question, because) => {
    const flows = fileOf(JSON.stringify([ALLOWED, question, DENIED]));
    const { code, out } = await cli(['query', '-f', world, '--flows', flows, '-o', 'json']);
    const report = JSON.parse(out) as { readonly flows: readonly Answer[]; readonly diagnostics: readonly Json[] };
    expect(report.flows.map((answer) => answer.verdict)).toEqual(['allowed', 'undefined', 'denied']);
    expect(report.flows[1]?.undefinedBecause).toContain(because);
    expect(report.diagnostics).toHaveLength(1);
    expect(report.diagnostics[0]).toMatchObject({ severity: 'error', object: null, file: flows });
    expect(report.diagnostics[0]?.message).toContain(`question 2: ${because}`);
    expect(code).toBe(1);
  });

  it('leave the end out that was not asked for', async () => {
    const answer = await one({ ...ALLOWED, src: 'shop/nobody', direction: 'ingress' });
    expect([answer.verdict, answer.egress, answer.ingress?.verdict]).toEqual(['undefined', null, 'undefined']);
  });
});

describe('a file of questions', () => {
  const list = JSON.stringify([ALLOWED, DENIED]);
  const lines = `${JSON.stringify(ALLOWED)}\r\n\n${JSON.stringify(DENIED)}`;
  const forms: readonly (readonly [string, string])[] = [
    ['JSON', list],
    ['JSON with a byte order mark', `\uFEFF${list}`],
    ['JSON Lines', lines],
    [
      'YAML',
      '# two\n- {src: shop/api, dst: shop/db, protocol: TCP, port: 5432}\n- src: front/web\n  dst: shop/db\n  port: 5432\n',
    ],
    [
      'YAML under flows',
      'flows:\n- {src: shop/api, dst: shop/db, port: 5432}\n- {src: front/web, dst: shop/db, port: 5432}\n',
    ],
  ];
  it.each(forms)('can be %s', async (_, text) => {
    const fromFile = await json(['query', '-f', world, '--flows', fileOf(text)]);
    expect((fromFile.flows as readonly Answer[]).map((answer) => answer.verdict)).toEqual(['allowed', 'denied']);
    const fromStdin = await json(['query', '-f', world, '--flows', '-'], { stdin: text });
    expect(fromStdin.flows).toEqual(fromFile.flows);
  });

  it('can be one object over several lines', async () => {
    const report = await json(['query', '-f', world, '--flows', fileOf(JSON.stringify(ALLOWED, null, 2))]);
    expect((report.flows as readonly Answer[]).map((answer) => answer.verdict)).toEqual(['allowed']);
  });

  it('can be empty', async () => {
    expect(await cli(['query', '-f', world, '--flows', fileOf('\n')])).toMatchObject({ code: 0, out: '0 asked\n' });
  });

  it('says the line of a wrong question in JSON Lines', async () => {
    const flows = fileOf(`${JSON.stringify(ALLOWED)}\n\n${JSON.stringify({ ...ALLOWED, src: 'shop/x' })}\n`);
    const { err } = await cli(['query', '-f', world, '--flows', flows]);
    expect(err).toContain(`${flows}:3 `);
  });

  it.each([
    ['"text"', 'holds no list of questions'],
    ['[1]', 'question 1 is no object'],
    ['[{"src": }]', 'is neither JSON, JSON Lines nor YAML'],
    ['{"src":"a/b"}\n{"src":', 'is no JSON object'],
    ['{"src":"a/b"}\n[]\n', 'is no JSON object'],
    ['- a: [', 'is neither JSON, JSON Lines nor YAML'],
  ])('that is none fails: %s', async (text, message) => {
    const { code, out, err } = await cli(['query', '-f', world, '--flows', fileOf(text)]);
    expect([code, out]).toEqual([1, '']);
    expect(err).toContain(message);
  });

  it('that is missing fails', async () => {
    const { code, err } = await cli(['query', '-f', world, '--flows', join(folder, 'worlds.yaml')]);
    expect(code).toBe(1);
    expect(err).toMatch(/does not exist\n {2}help: did you mean .*world\.yaml/);
  });

  it('cannot be stdin together with the manifests', async () => {
    const { code, err } = await cli(['query', '-f', '-', '--flows', '-'], { stdin: WORLD });
    expect([code, err]).toEqual([
      64,
      'rampart: questions and manifests are both stdin\n  help: write one of them to a file first\n',
    ]);
  });
});
