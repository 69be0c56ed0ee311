import { suiteInLabs } from './suite.ts';
import { sampleOf } from './vectors.ts';

const isAll = process.env.RAMPART_ALL_CYCLONUS === '1';

// 59 628 flows, a third of them by SCTP. The sample: 20 cases of nine pods, two with a tenth, and one with two more.
suiteInLabs('cyclonus', (cases) => (isAll ? cases : sampleOf(cases)), {
  flows: isAll ? (59_628 / 3) * 2 : 20 * 288 + 2 * 360 + 440,
  skipped: isAll ? 59_628 / 3 : 20 * 144 + 2 * 180 + 220,
});
