import { byteLength } from './go-text.ts';

const QUALIFIED = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const LABEL_VALUE = `(${QUALIFIED})?`;
const DNS_LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const DNS_SUBDOMAIN = `${DNS_LABEL}(\\.${DNS_LABEL})*`;

const QUALIFIED_PATTERN = new RegExp(`^${QUALIFIED}$`);
const LABEL_VALUE_PATTERN = new RegExp(`^${LABEL_VALUE}$`);
const DNS_LABEL_PATTERN = new RegExp(`^${DNS_LABEL}$`);
const DNS_SUBDOMAIN_PATTERN = new RegExp(`^${DNS_SUBDOMAIN}$`);

const QUALIFIED_TEXT = pattern(
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  QUALIFIED,
  ['MyName', 'my.name', '123-abc'],
);
const LABEL_VALUE_TEXT = pattern(
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  LABEL_VALUE,
  ['MyValue', 'my_value', '12345'],
);
const DNS_LABEL_TEXT = pattern(
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
  DNS_LABEL,
  ['my-name', '123-abc'],
);
const DNS_SUBDOMAIN_TEXT = pattern(
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
  DNS_SUBDOMAIN,
  ['example.com'],
);

// The server prints two spaces after each comma of the examples.
function pattern(message: string, regex: string, examples: readonly string[]): string {
  const list = examples.map((example) => `'${example}', `).join(' or ');
  return `${message} (e.g. ${list}regex used for validation is '${regex}')`;
}

function atMost(length: number): string {
  return `must be no more than ${length} characters`;
}

/** What is wrong with a label key, an annotation key or a finalizer (S1.6); empty if nothing is. */
export function qualifiedName(value: string): string[] {
  const parts = value.split('/');
  if (parts.length > 2) {
    return [
      `a qualified name ${QUALIFIED_TEXT} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  }
  const errors: string[] = [];
  const name = parts.at(-1) ?? '';
  const prefix = parts.length === 2 ? parts[0] : undefined;
  if (prefix === '') errors.push('prefix part must be non-empty');
  else if (prefix !== undefined) errors.push(...dnsSubdomain(prefix).map((text) => `prefix part ${text}`));
  if (name === '') errors.push('name part must be non-empty');
  else if (byteLength(name) > 63) errors.push(`name part ${atMost(63)}`);
  if (!QUALIFIED_PATTERN.test(name)) errors.push(`name part ${QUALIFIED_TEXT}`);
  return errors;
}

/** What is wrong with the value of a label (S1.6). */
export function labelValue(value: string): string[] {
  const errors: string[] = [];
  if (byteLength(value) > 63) errors.push(atMost(63));
  if (!LABEL_VALUE_PATTERN.test(value)) errors.push(LABEL_VALUE_TEXT);
  return errors;
}

/** What is wrong with the name of a namespace. */
export function dnsLabel(value: string): string[] {
  const errors: string[] = [];
  if (byteLength(value) > 63) errors.push(atMost(63));
  if (!DNS_LABEL_PATTERN.test(value)) {
    errors.push(DNS_SUBDOMAIN_PATTERN.test(value) ? 'must not contain dots' : DNS_LABEL_TEXT);
  }
  return errors;
}

/** What is wrong with the name of an object. */
export function dnsSubdomain(value: string): string[] {
  const errors: string[] = [];
  if (byteLength(value) > 253) errors.push(atMost(253));
  if (!DNS_SUBDOMAIN_PATTERN.test(value)) errors.push(DNS_SUBDOMAIN_TEXT);
  return errors;
}

/** What is wrong with a name to which the server appends: a dash may come last. */
export function dnsSubdomainPrefix(value: string): string[] {
  // The server replaces the last two characters, not one.
  return dnsSubdomain(value.length > 1 && value.endsWith('-') ? `${value.slice(0, -2)}a` : value);
}

/** What is wrong with the name of a port (S2.2). */
export function portName(value: string): string[] {
  const errors: string[] = [];
  if (byteLength(value) > 15) errors.push(atMost(15));
  if (!/^[-a-z0-9]+$/.test(value)) {
    errors.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  }
  if (!/[a-z]/.test(value)) errors.push('must contain at least one letter (a-z)');
  if (value.includes('--')) errors.push('must not contain consecutive hyphens');
  if (value.startsWith('-') || value.endsWith('-')) errors.push('must not begin or end with a hyphen');
  return errors;
}

/** What is wrong with the number of a port. */
export function portNumber(value: number): string[] {
  return value >= 1 && value <= 65535 ? [] : ['must be between 1 and 65535, inclusive'];
}
