import type { Severity } from '../model/diagnostic.ts';
import type { ObjectRef } from '../model/origin.ts';

export interface LabCode {
  readonly code: string;
  readonly severity: Severity;
  readonly title: string;
}

export type LabCodeName =
  | 'capped'
  | 'unplaceable'
  | 'label-lent'
  | 'address-changed'
  | 'range-exhausted'
  | 'range-touched'
  | 'no-outside-address'
  | 'service-changed'
  | 'port-taken';

/** Every diagnostic of planning a lab by name; codes are never reused. */
export const LAB_CODES: Readonly<Record<LabCodeName, LabCode>> = {
  capped: { code: 'RP700', severity: 'info', title: 'a workload of which the lab runs fewer pods than it wants' },
  unplaceable: { code: 'RP701', severity: 'warning', title: 'a pod that fits no node of the lab, so it does not run' },
  'label-lent': {
    code: 'RP702',
    severity: 'info',
    title: 'a node of the lab that was given labels for a node selector',
  },
  'address-changed': { code: 'RP703', severity: 'info', title: 'an address of the manifests that a lab cannot use' },
  'range-exhausted': { code: 'RP704', severity: 'error', title: 'a range of the lab without free addresses' },
  'range-touched': { code: 'RP705', severity: 'warning', title: 'a range of the lab that lies in a block of a policy' },
  'no-outside-address': {
    code: 'RP706',
    severity: 'info',
    title: 'a block of a policy without an address for the outside',
  },
  'service-changed': {
    code: 'RP707',
    severity: 'warning',
    title: 'a Service that an API server would refuse as it is',
  },
  'port-taken': { code: 'RP708', severity: 'warning', title: 'a port of a node that two pods want' },
};

/** Says something of a plan, under one of these codes. */
export type Remark = (name: LabCodeName, message: string, object: ObjectRef | null, field?: string) => void;
