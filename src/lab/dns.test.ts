import { type Answer, decode, encode, type RecordType } from 'dns-packet';
import { describe, expect, it } from 'vitest';
import { dnsAnswer } from './dns.ts';
import type { LabService } from './model.ts';

const service = (name: string, more: Partial<LabService>): LabService => ({
  namespace: 'shop',
  name,
  type: 'ClusterIP',
  headless: false,
  clusterIPs: [],
  externalIPs: [],
  loadBalancerIPs: [],
  externalTrafficPolicy: 'Cluster',
  internalTrafficPolicy: 'Cluster',
  ports: [],
  ...more,
});

const many = Array.from({ length: 60 }, (_, i) => ({
  address: `10.1.0.${i + 1}`,
  port: 80,
  node: null,
  pod: `shop/m${i}`,
}));
const answer = dnsAnswer({
  domain: 'cluster.local',
  services: [
    service('web', {
      clusterIPs: ['10.96.0.7', 'fd96::7'],
      ports: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: null, endpoints: [] }],
    }),
    service('only4', { clusterIPs: ['10.96.0.8'] }),
    service('crowd', {
      headless: true,
      ports: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: null, endpoints: many }],
    }),
  ],
  pods: [{ id: 'shop/m0', addresses: ['10.1.0.1', 'fd01::1'], hostname: 'first', subdomain: 'crowd' }],
});

const ask = (name: string, type: RecordType, transport: 'udp' | 'tcp' = 'udp', size: number | null = null) => {
  const edns =
    size === null
      ? []
      : [
          {
            type: 'OPT' as const,
            name: '.',
            udpPayloadSize: size,
            extendedRcode: 0,
            ednsVersion: 0,
            flags: 0,
            flag_do: false,
            options: [],
          },
        ];
  const reply = answer(
    encode({ type: 'query', id: 77, flags: 0x100, questions: [{ type, name }], additionals: edns }),
    transport,
  );
  if (reply === null) throw new Error('no answer');
  const packet = decode(reply) as ReturnType<typeof decode> & { readonly rcode: string };
  return {
    packet,
    code: packet.rcode,
    data: (packet.answers ?? []).map((one: Answer) => ('data' in one ? one.data : null)),
  };
};

describe('cluster names', () => {
  it('are answered with the addresses of their Service, whatever the capitals', () => {
    const { packet, code, data } = ask('Web.shop.SVC.cluster.local', 'A');
    expect([packet.id, code, packet.flag_aa, packet.flag_rd, data]).toEqual([77, 'NOERROR', true, true, ['10.96.0.7']]);
    expect(packet.answers?.[0]?.name).toBe('Web.shop.SVC.cluster.local');
    expect(ask('web.shop.svc.cluster.local', 'AAAA').data).toEqual(['fd96::7']);
  });

  it('exist without having every type, and so do the names above them', () => {
    for (const [name, type] of [
      ['only4.shop.svc.cluster.local', 'AAAA'],
      ['shop.svc.cluster.local', 'A'],
      ['svc.cluster.local', 'A'],
      ['cluster.local', 'A'],
    ] as const) {
      const { code, data, packet } = ask(name, type);
      expect([name, code, data]).toEqual([name, 'NOERROR', []]);
      expect(packet.authorities?.[0]?.type).toBe('SOA');
    }
  });

  it('do not exist otherwise, inside of the zone or outside', () => {
    expect(ask('nobody.shop.svc.cluster.local', 'A')).toMatchObject({ code: 'NXDOMAIN', data: [] });
    expect(ask('example.org', 'A')).toMatchObject({ code: 'NXDOMAIN', data: [] });
    // Ends like the zone and is not in it.
    expect(ask('xcluster.local', 'A').packet.authorities).toEqual([]);
  });

  it('of ports lead to the Service, of addresses back to the name', () => {
    const { data, packet } = ask('_http._tcp.web.shop.svc.cluster.local', 'SRV');
    expect(data).toEqual([{ priority: 0, weight: 100, port: 80, target: 'web.shop.svc.cluster.local' }]);
    expect(packet.additionals?.map((one) => ('data' in one ? one.data : null))).toEqual(['10.96.0.7', 'fd96::7']);
    expect(ask('7.0.96.10.in-addr.arpa', 'PTR').data).toEqual(['web.shop.svc.cluster.local']);
    const nibbles = '7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.d.f.ip6.arpa';
    expect(ask(nibbles, 'PTR').data).toEqual(['web.shop.svc.cluster.local']);
  });

  it('of headless Services are those of their pods, by host name where a pod has one there', () => {
    expect(ask('first.crowd.shop.svc.cluster.local', 'A').data).toEqual(['10.1.0.1']);
    expect(ask('10-1-0-2.crowd.shop.svc.cluster.local', 'A').data).toEqual(['10.1.0.2']);
    expect(ask('10-1-0-1.crowd.shop.svc.cluster.local', 'A').code).toBe('NXDOMAIN');
    expect(ask('fd01--1.shop.pod.cluster.local', 'AAAA').data).toEqual(['fd01::1']);
  });

  it('with more answers than fit are cut by UDP, and whole by TCP or where there is room', () => {
    const name = 'crowd.shop.svc.cluster.local';
    const cut = ask(name, 'A');
    expect([cut.packet.flag_tc, cut.data]).toEqual([true, []]);
    expect(ask(name, 'A', 'tcp').data).toEqual(many.map(({ address }) => address));
    expect(ask(name, 'A', 'udp', 4096).data).toHaveLength(60);
  });

  it('are not asked by garbage', () => {
    expect(answer(Buffer.from('rampart-lab?\n'), 'udp')).toBeNull();
    expect(answer(Buffer.alloc(0), 'udp')).toBeNull();
    expect(answer(encode({ type: 'response', id: 1, questions: [] }), 'udp')).toBeNull();
    const none = answer(encode({ type: 'query', id: 1, questions: [] }), 'udp');
    expect((decode(none ?? Buffer.alloc(0)) as ReturnType<typeof decode> & { readonly rcode: string }).rcode).toBe(
      'FORMERR',
    );
  });
});
