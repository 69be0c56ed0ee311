import { suiteInLabs } from './suite.ts';

// 4752 flows, of which 216 by SCTP.
suiteInLabs('k8s-e2e', (cases) => cases, { flows: 4752 - 216, skipped: 216 });
