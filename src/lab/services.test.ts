import { expect, it } from 'vitest';
import type { LabService } from './model.ts';
import { servicesTable } from './services.ts';

const NODE = { name: 'a', addresses: ['192.0.2.1'], podCidrs: ['10.1.0.0/24'] };

function service(name: string, backend: string): LabService {
  const endpoint = { address: backend, port: 8080, node: 'a', pod: `shop/${name}` };
  return {
    namespace: 'shop',
    name,
    type: 'ClusterIP',
    headless: false,
    clusterIPs: [],
    externalIPs: ['203.0.113.7'],
    loadBalancerIPs: [],
    externalTrafficPolicy: 'Cluster',
    internalTrafficPolicy: 'Cluster',
    ports: [{ name: null, protocol: 'TCP', port: 80, nodePort: null, endpoints: [endpoint] }],
  };
}

it('gives an address and port that two Services claim to the first of them, as kube-proxy does', () => {
  const services = [service('first', '10.1.0.2'), service('second', '10.1.0.3')];
  const text = servicesTable({ node: NODE, services, pods: [], podRanges: ['10.1.0.0/16'] });
  expect(text.match(/203\.0\.113\.7 \. tcp \. 80 : goto (\S+)/g)).toEqual([
    '203.0.113.7 . tcp . 80 : goto external-1v4',
  ]);
  expect(/chain endpoint-1v4-0 \{[\s\S]*?dnat ip to (\S+)/.exec(text)?.[1]).toBe('10.1.0.2:8080');
});
