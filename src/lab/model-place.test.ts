import { expect, it } from 'vitest';
import { formatCidr } from '../base/ip.ts';
import { nodeRanges } from './model-place.ts';

it.each([
  [{ podCIDRs: ['10.1.0.0/24', 'fd00:1::/64'] }, ['10.1.0.0/24', 'fd00:1::/64']],
  [{ podCIDR: '10.1.0.0/24' }, ['10.1.0.0/24']],
  // The first address is the node's own, and few are left for pods.
  [{ podCIDRs: ['10.1.0.0/28', '10.2.0.0/29', 'fd00:1::/120', 'fd00:2::/121'] }, ['10.1.0.0/28', 'fd00:1::/120']],
  [{ podCIDRs: ['nonsense'] }, []],
])('takes the pod ranges of a Node that it can use: %j', (spec, expected) => {
  expect(nodeRanges({ spec }, [4, 6]).map(formatCidr)).toEqual(expected);
  expect(nodeRanges({ spec }, [4]).map(formatCidr)).toEqual(expected.filter((range) => !range.includes(':')));
});
