import { asObject, get, stringOf } from '../../kinds/validation/json.ts';
import type { Json, JsonObject } from '../../manifest/object.ts';
import { badRequest } from './status.ts';

/** Whether an object is asked for. */
export type ObjectFilter = (object: JsonObject) => boolean;

type LabelTest = (labels: JsonObject) => boolean;

const KEY = '[A-Za-z0-9_./-]+';
const SET = new RegExp(`^(${KEY})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);
const EQUAL = new RegExp(`^(${KEY})\\s*(==|=|!=)\\s*([A-Za-z0-9_.-]*)$`);
const NUMBER = new RegExp(`^(${KEY})\\s*([<>])\\s*([0-9]+)$`);
const EXISTS = new RegExp(`^(!?)\\s*(${KEY})$`);

/** Reads a `labelSelector` parameter: `a=b,c!=d,e in (f,g),h notin (i),j,!k`. */
export function labelFilter(text: string): ObjectFilter {
  const tests = requirements(text).map(labelTest);
  return (object) => {
    const labels = asObject(get(asObject(get(object, 'metadata')), 'labels'));
    return tests.every((test) => test(labels));
  };
}

/** Parts between commas that stand in no parentheses. */
function requirements(text: string): string[] {
  if (text.trim() === '') return [];
  return text.split(/,(?![^(]*\))/).map((part) => part.trim());
}

function labelTest(part: string): LabelTest {
  const set = SET.exec(part);
  if (set !== null) {
    const [, key = '', operator, list = ''] = set;
    const values = list.split(',').map((value) => value.trim());
    return operator === 'in'
      ? (labels) => values.includes(textOr(get(labels, key)))
      : (labels) => !values.includes(textOr(get(labels, key)));
  }
  const equal = EQUAL.exec(part);
  if (equal !== null) {
    const [, key = '', operator, value = ''] = equal;
    return operator === '!=' ? (labels) => get(labels, key) !== value : (labels) => get(labels, key) === value;
  }
  const number = NUMBER.exec(part);
  if (number !== null) {
    const [, key = '', operator, value] = number;
    return (labels) => {
      const own = Number.parseInt(stringOf(get(labels, key)), 10);
      return operator === '<' ? own < Number(value) : own > Number(value);
    };
  }
  const exists = EXISTS.exec(part);
  if (exists === null) throw badRequest(`unable to parse requirement: \`${part}\``);
  const [, not, key = ''] = exists;
  return not === '!' ? (labels) => !Object.hasOwn(labels, key) : (labels) => Object.hasOwn(labels, key);
}

/** No label value has a NUL, so an absent label is in no list. */
function textOr(value: Json | undefined): string {
  return typeof value === 'string' ? value : '\u0000';
}

/** Fields by which servers select, for every kind or for one. */
const EVERYWHERE: readonly string[] = ['metadata.name', 'metadata.namespace'];
const BY_PLURAL: ReadonlyMap<string, readonly string[]> = new Map([
  [
    'pods',
    [
      'spec.nodeName',
      'spec.restartPolicy',
      'spec.schedulerName',
      'spec.serviceAccountName',
      'spec.hostNetwork',
      'status.phase',
      'status.podIP',
      'status.podIPs',
      'status.nominatedNodeName',
    ],
  ],
  ['nodes', ['spec.unschedulable']],
  ['namespaces', ['status.phase', 'name']],
  ['services', ['spec.clusterIP', 'spec.type']],
  ['secrets', ['type']],
  ['jobs', ['status.successful']],
  ['replicasets', ['status.replicas']],
  [
    'events',
    [
      'involvedObject.kind',
      'involvedObject.namespace',
      'involvedObject.name',
      'involvedObject.uid',
      'involvedObject.apiVersion',
      'involvedObject.resourceVersion',
      'involvedObject.fieldPath',
      'regarding.kind',
      'regarding.namespace',
      'regarding.name',
      'regarding.uid',
      'reason',
      'reportingController',
      'reportingComponent',
      'source',
      'type',
    ],
  ],
]);

/** Reads a `fieldSelector` parameter: `spec.nodeName=a,status.phase!=Running`. */
export function fieldFilter(text: string, plural: string): ObjectFilter {
  const tests = text
    .split(',')
    .filter((part) => part.trim() !== '')
    .map((part): ObjectFilter => {
      const parts = /^([^=!]+?)\s*(==|=|!=)\s*(.*)$/.exec(part.trim());
      if (parts === null) throw badRequest(`invalid selector: '${part}'; can't understand '${part}'`);
      const [, field = '', operator, wanted] = parts;
      if (!EVERYWHERE.includes(field) && BY_PLURAL.get(plural)?.includes(field) !== true) {
        throw badRequest(`field label not supported: ${field}`);
      }
      return operator === '!='
        ? (object) => fieldText(object, field) !== wanted
        : (object) => fieldText(object, field) === wanted;
    });
  return (object) => tests.every((test) => test(object));
}

function fieldText(object: JsonObject, path: string): string {
  let value: Json | undefined = object;
  for (const step of path.split('.')) value = get(asObject(value), step);
  if (typeof value === 'boolean' || typeof value === 'number') return String(value);
  // Servers take an absent flag for `false`.
  if (value === undefined && (path === 'spec.unschedulable' || path === 'spec.hostNetwork')) return 'false';
  return stringOf(value);
}
