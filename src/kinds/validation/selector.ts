import type { Json, JsonObject } from '../../manifest/object.ts';
import { at, child, type FieldError, forbidden, invalid, required } from './field-error.ts';
import { asObject, isObject, items, stringOf } from './json.ts';
import { labelValue, qualifiedName } from './names.ts';

/** What the server says of labels: of an object's own ones, and of `matchLabels`. */
export function labelErrors(labels: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(labels)) {
    const text = stringOf(value);
    for (const message of qualifiedName(key)) errors.push(invalid(path, key, message));
    for (const message of labelValue(text)) errors.push(invalid(path, text, message));
  }
  return errors;
}

/** What is wrong with a label selector (S1.6). Parts that are of the wrong type are passed over: others report them. */
export function selectorErrors(selector: Json | undefined, path: string): FieldError[] {
  if (!isObject(selector)) return [];
  const errors = labelErrors(asObject(selector.matchLabels), child(path, 'matchLabels'));
  items(selector.matchExpressions).forEach((expression, i) => {
    errors.push(...requirementErrors(asObject(expression), at(child(path, 'matchExpressions'), i)));
  });
  return errors;
}

function requirementErrors(requirement: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const operator = stringOf(requirement.operator);
  const values = items(requirement.values);
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0) {
      errors.push(required(child(path, 'values'), "must be specified when `operator` is 'In' or 'NotIn'"));
    }
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length > 0) {
      errors.push(
        forbidden(child(path, 'values'), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
      );
    }
  } else errors.push(invalid(child(path, 'operator'), operator, 'not a valid selector operator', true));
  const key = stringOf(requirement.key);
  for (const message of qualifiedName(key)) errors.push(invalid(child(path, 'key'), key, message));
  values.forEach((value, j) => {
    const text = stringOf(value);
    for (const message of labelValue(text)) errors.push(invalid(at(child(path, 'values'), j), text, message));
  });
  return errors;
}
