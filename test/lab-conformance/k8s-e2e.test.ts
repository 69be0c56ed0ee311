import { suiteInLabs } from './suite.ts';

// 4752 flows, of which 216 by SCTP.
const EXPECTED = { flows: 4752 - 216, skipped: 216 };

suiteInLabs('k8s-e2e', (cases) => cases, EXPECTED);
suiteInLabs('k8s-e2e', (cases) => cases, EXPECTED, { cni: 'bridge', deny: 'reject' });
