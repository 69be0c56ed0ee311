import { suiteInLabs } from './suite.ts';

// 237 flows, of which 6 by SCTP.
suiteInLabs('cnp-docs', (cases) => cases, { flows: 237 - 6, skipped: 6 });
