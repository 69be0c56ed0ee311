import type { LabService } from './model.ts';

/** What the cluster's DNS knows. */
export interface DnsZone {
  readonly domain: string;
  readonly services: readonly LabService[];
  readonly pods: readonly DnsPod[];
}

export interface DnsPod {
  /** `namespace/name`. */
  readonly id: string;
  readonly addresses: readonly string[];
  readonly hostname: string | null;
  readonly subdomain: string | null;
}
