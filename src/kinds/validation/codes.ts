/** A code of this area; none is ever reused for something else. */
export type ValidationCode =
  | 'RP100'
  | 'RP101'
  | 'RP102'
  | 'RP103'
  | 'RP104'
  | 'RP105'
  | 'RP106'
  | 'RP107'
  | 'RP108'
  | 'RP109'
  | 'RP120'
  | 'RP121'
  | 'RP130'
  | 'RP131'
  | 'RP132'
  | 'RP133'
  | 'RP134'
  | 'RP135'
  | 'RP136'
  | 'RP137'
  | 'RP138';

export interface CodeEntry {
  readonly code: ValidationCode;
  readonly title: string;
}

/** RP100–RP199: what is wrong with one object, as the API server or the text of the API says it. */
export const VALIDATION_CODES: readonly CodeEntry[] = [
  { code: 'RP100', title: 'a required value is missing' },
  { code: 'RP101', title: 'a value is invalid' },
  { code: 'RP102', title: 'a value is not one of the supported ones' },
  { code: 'RP103', title: 'a value is forbidden here' },
  { code: 'RP104', title: 'a value is too long' },
  { code: 'RP105', title: 'too many items or fields' },
  { code: 'RP106', title: 'a value occurs twice in a set' },
  { code: 'RP107', title: 'a value has the wrong type' },
  { code: 'RP108', title: 'a field that the API does not know' },
  { code: 'RP109', title: 'rules across fields were not checked because of other errors' },
  { code: 'RP120', title: 'a CIDR whose address has bits beyond the prefix length' },
  { code: 'RP121', title: 'a CIDR that is not in the canonical form' },
  { code: 'RP130', title: 'a port range that ends before it starts' },
  { code: 'RP131', title: 'domain names under an action that does not support them' },
  { code: 'RP132', title: 'a withdrawn field' },
  { code: 'RP133', title: 'a label selector that cannot be read' },
  { code: 'RP134', title: 'a protocol that the API does not define' },
  { code: 'RP135', title: 'an action that the API does not define' },
  { code: 'RP136', title: 'a port name that no container port can have' },
  { code: 'RP137', title: 'a namespace on a cluster-scoped object' },
  { code: 'RP138', title: 'a named port in a rule that has both pods and networks' },
];
