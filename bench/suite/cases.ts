import { benchCase as agent } from '../agent-10k-pods-200-local.ts';
import { benchCase as agentLarge } from '../agent-100k-pods-200-local.ts';
import { benchCase as answers } from '../answers-3k-pods-1640-policies.ts';
import { benchCase as change } from '../change-100k-pods-10k-policies.ts';
import { benchCase as compile } from '../compile-100k-pods-10k-policies.ts';
import { benchCase as connectivityOpen } from '../connectivity-open-process-s-m-l.ts';
import { benchCase as connectivity } from '../connectivity-process-s-m-l.ts';
import { benchCase as dataplanePackets } from '../dataplane-packets-200-local-pods.ts';
import { benchCase as dataplaneUpdates } from '../dataplane-updates-200-local-pods.ts';
import { benchCase as diff } from '../diff-process-s-m-l.ts';
import { benchCase as exposure } from '../exposure-process-s-m-l.ts';
import { benchCase as growth } from '../growth-s-m-l.ts';
import { benchCase as lab } from '../lab-50-pods-all-pairs.ts';
import { benchCase as page } from '../page-process-100-300-workloads.ts';
import { benchCase as read } from '../read-15k-objects.ts';
import { benchCase as startUp } from '../start-up-small.ts';
import { benchCase as verdicts } from '../verdict-100k-pods-10k-policies.ts';
import type { BenchCase } from './measure.ts';

/** Every case, in the order of the table. */
export const CASES: readonly BenchCase[] = [
  compile,
  change,
  verdicts,
  connectivity,
  connectivityOpen,
  exposure,
  diff,
  read,
  startUp,
  answers,
  page,
  growth,
  dataplanePackets,
  dataplaneUpdates,
  agent,
  agentLarge,
  lab,
];
