import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { suggest } from '../base/suggest.ts';
import { IoError, reasonOf } from '../io/io-error.ts';
import { decodeDocument } from '../manifest/decode.ts';
import { DocumentError } from '../manifest/diagnostics.ts';
import { locatedDocument } from '../manifest/document.ts';
import type { Json } from '../manifest/object.ts';
import { fileText } from '../manifest/text.ts';
import { DEFAULT_LAYOUT, type LayoutOptions } from '../targets/nftables/layout.ts';
import { type Config, flagOf, SETTINGS, type Setting, type SettingName, variableOf } from './settings.ts';

/** A value that cannot be taken, and where it stands. */
export interface Problem {
  /** `--deny`, `RAMPART_AGENT_DENY`, `agent.yaml:3:7`. */
  readonly where: string;
  readonly message: string;
  readonly help: string | null;
}

export type ConfigReading =
  | { readonly kind: 'config'; readonly config: Config }
  | { readonly kind: 'problems'; readonly problems: readonly Problem[] };

export interface ConfigSources {
  /** By the setting's name; a list is given once for each item. */
  readonly flags: Readonly<Partial<Record<SettingName, string | boolean | readonly string[]>>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly file: { readonly name: string; readonly text: string } | null;
}

interface Given {
  readonly value: Json | readonly string[];
  readonly where: string;
}

const NAMES = Object.keys(SETTINGS) as readonly SettingName[];

/** Puts the configuration together: flags before environment before file before what holds by itself. */
export function readConfig(sources: ConfigSources): ConfigReading {
  const problems: Problem[] = [];
  const fromFile = sources.file === null ? new Map<string, Given>() : readFile(sources.file, problems);
  const fromEnv = readEnvironment(sources.env, problems);
  const values: [SettingName, unknown][] = NAMES.map((name) => {
    const flag = sources.flags[name];
    const given = flag === undefined ? (fromEnv.get(name) ?? fromFile.get(name)) : { value: flag, where: flagOf(name) };
    return [name, given === undefined ? SETTINGS[name].initial : readValue(name, given, problems)];
  });
  if (problems.length > 0) return { kind: 'problems', problems };
  // Every name of the table has the value that its own kind has read.
  return { kind: 'config', config: Object.fromEntries(values) as unknown as Config };
}

function readValue(name: SettingName, given: Given, problems: Problem[]): unknown {
  const { kind } = SETTINGS[name] as Setting;
  const { value, where } = given;
  const texts = Array.isArray(value) && kind.list === true ? value : [value];
  const scalar = texts.every(
    (item) => typeof item === 'string' || typeof item === 'number' || typeof item === 'boolean',
  );
  const found = scalar ? kind.read(texts.map(String).join(',')) : null;
  if (found === null) {
    const shown = typeof value === 'object' && !Array.isArray(value) ? 'this' : `\`${String(value)}\``;
    problems.push({ where, message: `${shown} is not ${kind.wanted}`, help: null });
  }
  return found;
}

const PREFIX = 'RAMPART_AGENT_';

function readEnvironment(env: ConfigSources['env'], problems: Problem[]): ReadonlyMap<string, Given> {
  const known = new Map(NAMES.map((name) => [variableOf(name), name]));
  const out = new Map<string, Given>();
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith(PREFIX) || value === undefined || variable === `${PREFIX}CONFIG`) continue;
    const name = known.get(variable);
    // Kubernetes itself makes such variables for a Service named rampart-agent.
    if (name === undefined && /_(?:SERVICE_(?:HOST|PORT.*)|PORT(?:_.*)?)$/.test(variable)) continue;
    if (name !== undefined) out.set(name, { value, where: variable });
    else
      problems.push({
        where: variable,
        message: 'there is no such setting',
        help: didYouMean(variable, [...known.keys()]),
      });
  }
  return out;
}

function readFile(file: NonNullable<ConfigSources['file']>, problems: Problem[]): ReadonlyMap<string, Given> {
  const text = fileText(file.name, file.text);
  const out = new Map<string, Given>();
  let value: Json;
  let duplicates: readonly string[];
  try {
    ({ value, duplicates } = decodeDocument(file.text, 32));
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    const { line, column } = text.positionOf(error.offset);
    problems.push({ where: `${file.name}:${line}:${column}`, message: error.message, help: error.help ?? null });
    return out;
  }
  if (value === null) return out;
  if (typeof value !== 'object' || Array.isArray(value)) {
    problems.push({ where: `${file.name}:1:1`, message: 'must be a mapping of settings to values', help: null });
    return out;
  }
  const document = locatedDocument(text, 0, file.text, 32);
  for (const key of duplicates) {
    const { line, column } = document.locate(key);
    problems.push({ where: `${file.name}:${line}:${column}`, message: `\`${key}\` is set twice`, help: null });
  }
  for (const [key, item] of Object.entries(value)) {
    const { line, column } = document.locate(key);
    const where = `${file.name}:${line}:${column}`;
    if (isSetting(key)) out.set(key, { value: item as Json, where });
    else problems.push({ where, message: `there is no setting \`${key}\``, help: didYouMean(key, NAMES) });
  }
  return out;
}

function isSetting(key: string): key is SettingName {
  return Object.hasOwn(SETTINGS, key);
}

function didYouMean(word: string, known: readonly string[]): string | null {
  const [near] = suggest(word, known, 1);
  return near === undefined ? null : `did you mean \`${near}\`?`;
}

/** Reads the configuration file. Throws {@link IoError}. */
export function readConfigFile(path: string): { readonly name: string; readonly text: string } {
  try {
    return { name: path, text: readFileSync(path, 'utf8') };
  } catch (error) {
    throw new IoError('unreadable', `cannot read \`${path}\`: ${reasonOf(error)}`, { cause: error });
  }
}

/** What has changed between two configurations: what takes effect at once, and what needs a restart. */
export function changedSettings(
  before: Config,
  after: Config,
): { readonly live: readonly SettingName[]; readonly restart: readonly SettingName[] } {
  const changed = NAMES.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
  return {
    live: changed.filter((name) => SETTINGS[name].live),
    restart: changed.filter((name) => !SETTINGS[name].live),
  };
}

/** `before`, with the settings of `after` that may change while the agent runs. */
export function withLive(before: Config, after: Config): Config {
  const live = NAMES.filter((name) => SETTINGS[name].live).map((name) => [name, after[name]]);
  return { ...before, ...(Object.fromEntries(live) as Partial<Config>) };
}

/**
 * A generation for a table that is made where none is: hardly one that connections still have from a table that was there before.
 */
export function anyGeneration(): number {
  return randomInt(2 ** 32);
}

/** What of the configuration the table depends on. */
export function layoutOf(config: Config): LayoutOptions {
  return {
    ...DEFAULT_LAYOUT,
    table: config.table,
    generationMask: config.generationMask,
    deny: config.deny,
    log: config.nflogGroup === 'off' ? null : { group: config.nflogGroup, perSecond: config.nflogRate },
    refuseEncapsulation: config.refuseEncapsulation,
    closedUntilKnown: config.closedUntilKnown,
  };
}
