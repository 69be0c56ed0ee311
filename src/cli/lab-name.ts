import { InvalidArgumentError, Option } from 'commander';
import { isLabName } from '../lab/state-folder.ts';

/** The option that says which lab is meant. */
export function labNameOption(text: string): Option {
  return new Option('--name <name>', text).argParser(labName);
}

/** Refuses a name that no lab can have where it stands. */
export function labName(name: string): string {
  if (isLabName(name)) return name;
  throw new InvalidArgumentError('up to 40 small letters, digits and hyphens make a name');
}
