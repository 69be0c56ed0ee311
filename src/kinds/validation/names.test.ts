import { describe, expect, it } from 'vitest';
import {
  dnsLabel,
  dnsSubdomain,
  dnsSubdomainPrefix,
  labelValue,
  portName,
  portNumber,
  qualifiedName,
} from './names.ts';

const NAME_PART =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const VALUE =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

describe('names as the API server judges them', () => {
  it.each([
    ['app', []],
    ['example.com/App_1.x', []],
    ['a'.repeat(63), []],
    ['a'.repeat(64), ['name part must be no more than 63 characters']],
    ['ü'.repeat(32), ['name part must be no more than 63 characters', NAME_PART]],
    ['', ['name part must be non-empty', NAME_PART]],
    ['/x', ['prefix part must be non-empty']],
    ['Ex.com/x', [`prefix part ${SUBDOMAIN}`]],
    ['bad key', [NAME_PART]],
    ['a/', ['name part must be non-empty', NAME_PART]],
    [
      'a/b/c',
      [
        `a qualified name ${NAME_PART.slice('name part '.length)} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
      ],
    ],
  ])('judges the key %s', (key, errors) => {
    expect(qualifiedName(key)).toEqual(errors);
  });

  it('judges label values', () => {
    expect(['', 'a', 'A_.-z'].flatMap(labelValue)).toEqual([]);
    expect(labelValue('-a')).toEqual([VALUE]);
    expect(labelValue(`${'a'.repeat(63)}-`)).toEqual(['must be no more than 63 characters', VALUE]);
  });

  it('judges names of objects and namespaces', () => {
    expect(['a', 'a.b-c', '1', 'a'.repeat(253)].flatMap(dnsSubdomain)).toEqual([]);
    expect(dnsSubdomain('A')).toEqual([SUBDOMAIN]);
    expect(dnsSubdomain('a'.repeat(254))).toEqual(['must be no more than 253 characters']);
    expect(dnsLabel('a.b')).toEqual(['must not contain dots']);
    expect(dnsLabel('a_b')).toEqual([LABEL]);
    expect(dnsSubdomainPrefix('web-')).toEqual([]);
    expect(dnsSubdomainPrefix('-')).toEqual([SUBDOMAIN]);
  });

  it('judges ports', () => {
    expect(['http', 'a-1', 'a'.repeat(15)].flatMap(portName)).toEqual([]);
    expect(portName('80')).toEqual(['must contain at least one letter (a-z)']);
    expect(portName('-A--')).toEqual([
      'must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
      'must contain at least one letter (a-z)',
      'must not contain consecutive hyphens',
      'must not begin or end with a hyphen',
    ]);
    expect(portName('a'.repeat(16))).toEqual(['must be no more than 15 characters']);
    expect([1, 65535].flatMap(portNumber)).toEqual([]);
    expect([0, 65536].flatMap(portNumber)).toEqual(Array(2).fill('must be between 1 and 65535, inclusive'));
  });
});
