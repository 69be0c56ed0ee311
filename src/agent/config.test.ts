import { describe, expect, it } from 'vitest';
import { type ConfigReading, type ConfigSources, changedSettings, layoutOf, readConfig, withLive } from './config.ts';
import { type Config, flagOf, SETTINGS, variableOf } from './settings.ts';

const read = (sources: Partial<ConfigSources> & { readonly yaml?: string } = {}): ConfigReading =>
  readConfig({
    flags: sources.flags ?? {},
    env: sources.env ?? {},
    file: sources.yaml === undefined ? null : { name: 'agent.yaml', text: sources.yaml },
  });

function good(sources: Parameters<typeof read>[0] = {}): Config {
  const reading = read(sources);
  if (reading.kind === 'problems') throw new Error(JSON.stringify(reading.problems));
  return reading.config;
}

function problems(sources: Parameters<typeof read>[0]): readonly string[] {
  const reading = read(sources);
  if (reading.kind === 'config') return [];
  return reading.problems.map(({ where, message, help }) =>
    [where, message, ...(help === null ? [] : [help])].join(': '),
  );
}

describe('a configuration', () => {
  it('has a value for every setting', () => {
    expect(good()).toMatchObject({
      node: null,
      listen: [':9790'],
      deny: 'drop',
      coalesce: 50,
      generationMask: 0xffff0000,
    });
    expect(Object.keys(good())).toEqual(Object.keys(SETTINGS));
  });

  it('takes flags before the environment before the file', () => {
    const yaml = 'deny: reject\nlogLevel: warn\ncoalesce: 1s\n';
    const env = { RAMPART_AGENT_LOG_LEVEL: 'error', RAMPART_AGENT_COALESCE: '2s', HOME: '/root' };
    expect(good({ flags: { coalesce: '100ms' }, env, yaml })).toMatchObject({
      deny: 'reject',
      logLevel: 'error',
      coalesce: 100,
    });
  });

  it('reads every sort of value in all three places', () => {
    const yaml =
      'podCidr: [10.1.0.0/24, "fd00::/64"]\nclosedUntilKnown: true\nnflogGroup: off\nnflogRate: 7\nverifyInterval: 1m30s\n';
    const expected = {
      podCidr: ['10.1.0.0/24', 'fd00::/64'],
      closedUntilKnown: true,
      nflogRate: 7,
      verifyInterval: 90_000,
    };
    // In YAML 1.1, off is false.
    expect(good({ yaml })).toMatchObject({ ...expected, nflogGroup: 'off' });
    expect(good({ yaml: yaml.replace('off', '"off"') })).toMatchObject({ ...expected, nflogGroup: 'off' });
    for (const mask of ['0xff000000', '"0xff000000"', '4278190080', '4.27819008e+9']) {
      expect(good({ yaml: `generationMask: ${mask}` }).generationMask).toBe(0xff000000);
    }
    expect(
      good({
        env: {
          RAMPART_AGENT_POD_CIDR: '10.1.0.0/24, fd00::/64',
          RAMPART_AGENT_CLOSED_UNTIL_KNOWN: 'true',
          RAMPART_AGENT_NFLOG_RATE: '7',
          RAMPART_AGENT_VERIFY_INTERVAL: '1.5m',
        },
      }),
    ).toMatchObject(expected);
    expect(
      good({
        flags: { podCidr: ['10.1.0.0/24', 'fd00::/64'], closedUntilKnown: true, nflogRate: '7', verifyInterval: '90s' },
      }),
    ).toMatchObject(expected);
  });

  it.each([
    ['coalesce: 5', 'agent.yaml:1:11: `5` is not a duration such as `500ms`, `30s` or `5m`, from 0 ms to 10 s'],
    ['deny: allow', 'agent.yaml:1:7: `allow` is not one of `drop`, `reject`'],
    ['\ndney: drop', 'agent.yaml:2:7: there is no setting `dney`: did you mean `deny`?'],
    ['generationMask: "0xff"', ''],
    [
      'generationMask: "0x0ff00ff0"',
      'agent.yaml:1:17: `0x0ff00ff0` is not at least 8 bits in a row of 32, such as `0xffff0000`',
    ],
    ['generationMask: "0x0"', 'agent.yaml:1:17: `0x0` is not at least 8 bits in a row of 32, such as `0xffff0000`'],
    ['podCidr: [10.1.0.0]', 'agent.yaml:1:1: `10.1.0.0` is not blocks such as `10.1.2.0/24`'],
    [
      'table: "x; flush ruleset"',
      'agent.yaml:1:8: `x; flush ruleset` is not a letter, then up to 30 letters, digits and `_`',
    ],
    ['node: {a: b}', 'agent.yaml:1:1: this is not a name of lower case letters, digits, `-` and `.`'],
    ['- deny', 'agent.yaml:1:1: must be a mapping of settings to values'],
    ['__proto__: 1', 'agent.yaml:1:12: there is no setting `__proto__`'],
    [
      'generationMask: 0x1ffffff00',
      'agent.yaml:1:17: `8589934336` is not at least 8 bits in a row of 32, such as `0xffff0000`',
    ],
    ['deny: reject\nevents: false\ndeny: drop', 'agent.yaml:3:7: `deny` is set twice'],
    ['{}', ''],
    ['', ''],
    ['# nothing', ''],
  ])('of %j', (yaml, problem) => {
    expect(problems({ yaml }).join()).toBe(problem);
  });

  it('that is no YAML says where it ends to be some', () => {
    expect(problems({ yaml: 'deny: drop\n  x: [\n' })[0]).toMatch(/^agent\.yaml:\d+:\d+: /);
  });

  it('knows its own variables from those that Kubernetes makes', () => {
    expect(
      problems({
        env: { RAMPART_AGENT_PORT_80_TCP: 'tcp://1', RAMPART_AGENT_SERVICE_HOST: '1', RAMPART_AGENT_CONFIG: 'x' },
      }),
    ).toEqual([]);
    expect(problems({ env: { RAMPART_AGENT_DNEY: 'drop' } })).toEqual([
      'RAMPART_AGENT_DNEY: there is no such setting: did you mean `RAMPART_AGENT_DENY`?',
    ]);
  });

  it('names its settings in three ways', () => {
    expect([flagOf('closedUntilKnown'), variableOf('closedUntilKnown')]).toEqual([
      '--closed-until-known',
      'RAMPART_AGENT_CLOSED_UNTIL_KNOWN',
    ]);
  });
});

describe('a changed configuration', () => {
  it('takes effect where it can, and says where it cannot', () => {
    const before = good({ yaml: 'deny: drop\nlisten: [":1"]\n' });
    const after = good({ yaml: 'deny: reject\nlisten: [":2"]\nnflogRate: 9\n' });
    expect(changedSettings(before, after)).toEqual({ live: ['deny', 'nflogRate'], restart: ['listen'] });
    expect(withLive(before, after)).toMatchObject({ deny: 'reject', listen: [':1'], nflogRate: 9 });
  });

  it('decides on the table', () => {
    expect(layoutOf(good({ yaml: 'deny: reject\nnflogGroup: 5\nclosedUntilKnown: true\n' }))).toEqual({
      table: 'rampart',
      generationMask: 0xffff0000,
      deny: 'reject',
      log: { group: 5, perSecond: 500 },
      refuseEncapsulation: true,
      closedUntilKnown: true,
    });
    expect(layoutOf(good({ env: { RAMPART_AGENT_NFLOG_GROUP: 'off' } })).log).toBeNull();
  });
});
