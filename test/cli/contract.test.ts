/** Sentences of the public contract that no other test of the command line holds it to. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.ts';
import { cli, folderOf, type Json, remove } from './run-cli.ts';
import { WORLD } from './world.ts';

const policy = (namespace: string, name: string, labels: string, port: number): string => `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: ${name}, namespace: ${namespace}, labels: ${labels}}
spec: {podSelector: {}, ingress: [{ports: [{port: ${port}}]}]}
`;

/** An impossible port in two namespaces, an impossible priority in none, and a file that is no YAML. */
const BROKEN = {
  'shop.yaml': policy('shop', 'a', '{team: blue}', 70000),
  'front.yaml': policy('front', 'b', '{team: red}', 70000),
  'wide.yaml': `
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: wide, labels: {team: red}}
spec: {priority: 5000, subject: {namespaces: {}}}
`,
  'torn.yaml': 'a: [b\n',
};

let folder = '';
beforeAll(() => {
  const broken = Object.entries(BROKEN).map(([name, text]) => [`broken/${name}`, text]);
  folder = folderOf({ 'world.yaml': WORLD, ...Object.fromEntries(broken) });
});
afterAll(() => remove(folder));
const world = (): string => join(folder, 'world.yaml');

interface Answers {
  readonly code: number | null;
  readonly flows: readonly (Json & { readonly verdict: string; readonly caveats: readonly string[] })[];
  readonly diagnostics: readonly Json[];
}

async function query(...questions: readonly Json[]): Promise<Answers> {
  const stdin = JSON.stringify(questions);
  const { code, out } = await cli(['query', '-f', world(), '--flows', '-', '-o', 'json'], { stdin });
  return { code, ...(JSON.parse(out) as Omit<Answers, 'code'>) };
}

describe('a question', () => {
  it('with two protocols is answered for neither', async () => {
    const question = { src: 'shop/api', dst: 'shop/db:5432/udp', protocol: 'TCP' };
    const { code, flows, diagnostics } = await query(question, { ...question, protocol: 'UDP' });
    expect(flows.map(({ verdict }) => verdict)).toEqual(['undefined', 'denied']);
    expect(flows[0]).toMatchObject({ undefinedBecause: 'the destination says UDP, the protocol is TCP' });
    expect([code, diagnostics.length]).toEqual([1, 1]);
  });

  it.each(['ICMP', 'ICMPv6'])('of %s says that it has no ports, and is answered without', async (protocol) => {
    const [src, dst] = protocol === 'ICMP' ? ['10.1.0.5', '10.1.0.6'] : ['fd00::5', 'fd00::6'];
    const { code, flows } = await query({ src, dst, protocol }, { src, dst, protocol, port: 0 });
    const [bare, ported] = flows;
    expect(ported?.caveats).toEqual([...(bare?.caveats ?? []), 'ICMP has no ports: port 0 is ignored']);
    expect(flows.map(({ verdict }) => verdict)).toEqual(['denied', 'denied']);
    expect(code).toBe(0);
  });

  it.each([['echo'], [256], [-1], [1.5], [{}]])('has no ICMP type %j', async (icmpType) => {
    const { code, flows } = await query({ src: 'shop/api', dst: 'shop/db', protocol: 'ICMP', icmpType });
    expect(flows[0]).toMatchObject({ icmpType, verdict: 'undefined' });
    expect(flows[0]?.undefinedBecause).toContain('is no ICMP type');
    expect(code).toBe(1);
  });

  it.each(['port', 'protocol', 'direction', 'icmpType'])('survives any %s', async (key) => {
    const good = { src: 'shop/api', dst: 'shop/db', protocol: 'TCP', port: 5432 };
    const { code, flows } = await query({ ...good, [key]: { toString: 1 } }, good);
    expect(flows.map(({ verdict }) => verdict)).toEqual(['undefined', 'allowed']);
    expect(flows[0]?.undefinedBecause).toContain('{"toString":1}');
    expect(code).toBe(1);
  });
});

describe('a YAML file of questions', () => {
  it('may have several documents', async () => {
    const stdin = [
      '---',
      'src: shop/api',
      'dst: shop/db:5432',
      '---',
      '# none',
      '---',
      '- {src: front/web, dst: "shop/db:5432"}',
      '- {src: shop/api, dst: "shop/db:5433"}',
      '',
    ].join('\n');
    const { code, out } = await cli(['query', '-f', world(), '--flows', '-', '-o', 'json'], { stdin });
    const { flows } = JSON.parse(out) as Answers;
    expect(flows.map(({ verdict }) => verdict)).toEqual(['allowed', 'denied', 'denied']);
    expect(code).toBe(0);
  });

  it('may not have a document of anything else', async () => {
    const stdin = '---\nsrc: shop/api\ndst: shop/db:5432\n---\ntext\n';
    const { code, out, err } = await cli(['query', '-f', world(), '--flows', '-'], { stdin });
    expect([code, out]).toEqual([1, '']);
    expect(err).toContain('holds no list of questions');
  });
});

describe('explain', () => {
  it.each([
    ['shop/db:5432/tcp', 'UDP', 'the destination says TCP, the protocol is UDP'],
    ['shop/db:5432', 'ICMP', 'ICMP has no ports'],
    ['shop/db', 'IGMP', 'argument `IGMP` is invalid'],
  ])('refuses %s with --protocol %s', async (destination, protocol, message) => {
    const { code, out, err } = await cli([
      ...['explain', 'shop/api', destination],
      ...['-f', world(), '--protocol', protocol],
    ]);
    expect([code, out]).toEqual([64, '']);
    expect(err).toContain(message);
  });

  it('takes a protocol in any case', async () => {
    const of = (protocol: string) => cli(['explain', 'shop/api', 'shop/db', '-f', world(), '--protocol', protocol]);
    expect(await of('icmp')).toEqual(await of('ICMP'));
    expect(await of('icmp')).toMatchObject({ code: 2, err: '' });
  });
});

describe('validate', () => {
  const objects = async (...show: readonly string[]): Promise<unknown> => {
    const { code, out } = await cli(['validate', '-f', join(folder, 'broken'), '-o', 'json', ...show]);
    const { diagnostics } = JSON.parse(out) as { readonly diagnostics: readonly Json[] };
    return [code, [...new Set(diagnostics.map(({ object }) => object))].sort()];
  };
  const WIDE = 'AdminNetworkPolicy/wide';

  it('shows with -n what may concern the namespace: its own, what is everyone’s, what cannot be read', async () => {
    expect(await objects()).toEqual([3, [WIDE, 'NetworkPolicy/front/b', 'NetworkPolicy/shop/a', null]]);
    expect(await objects('-n', 'shop')).toEqual([3, [WIDE, 'NetworkPolicy/shop/a', null]]);
  });

  it('shows with -l the objects of these labels, and what cannot be read', async () => {
    expect(await objects('-l', 'team=red')).toEqual([3, [WIDE, 'NetworkPolicy/front/b', null]]);
    expect(await objects('-l', 'team=red', '-n', 'shop')).toEqual([3, [WIDE, null]]);
  });

  it('does not call a namespace valid that does not exist', async () => {
    const { code, out, err } = await cli(['validate', '-f', join(folder, 'broken'), '-n', 'shpo']);
    expect([code, out, err]).toEqual([
      64,
      '',
      'rampart: no namespace `shpo` in the input\n  help: did you mean `shop`?\n',
    ]);
  });
});

describe('options', () => {
  it('--profile belongs to diff, too', async () => {
    const same = ['diff', '--from', world(), '--to', world()];
    for (const profile of ['kubernetes', 'auto']) {
      expect(await cli([...same, '--profile', profile])).toMatchObject({ code: 0, err: '' });
    }
    expect((await cli([...same, '--profile', 'kubernets'])).code).toBe(64);
  });

  it('-o yaml of version says the same as -o json', async () => {
    const facts = JSON.parse((await cli(['version', '-o', 'json'])).out) as Json;
    expect(Object.keys(facts)).toEqual(['version', 'node', 'commit']);
    const { code, out } = await cli(['version', '-o', 'yaml']);
    const lines = out.trimEnd().split('\n');
    const read = lines.map((line) => line.split(': ').map((part) => part.replaceAll('"', '')));
    expect(Object.fromEntries(read)).toEqual({ ...facts, commit: String(facts.commit) });
    expect(code).toBe(0);
  });

  it.each(COMMANDS.map(({ name }) => name))('%s --help shows examples of it', async (name) => {
    const { out } = await cli([name, '--help']);
    expect(out.slice(out.indexOf('\nExamples:'))).toMatch(new RegExp(`^\\nExamples:\n(.*\n)*?.*rampart ${name}\\b`));
  });
});
