/** What the names of most tests of the suite begin with. */
const TCP = 'NetworkPolicy between server and client';

/**
 * The tests of Kubernetes' NetworkPolicy suite that every test run takes, because they are quick and each has something
 * of its own: both directions, named ports, blocks with exceptions, labels of namespaces, changes, UDP.
 */
export const FEW: readonly string[] = [
  `${TCP} should support a 'default-deny-all' policy`,
  `${TCP} should support allow-all policy`,
  `${TCP} should allow ingress access from namespace on one named port`,
  `${TCP} should allow egress access on one named port`,
  `${TCP} should enforce except clause while egress access to server in CIDR block`,
  `${TCP} should ensure an IP overlapping both IPBlock.CIDR and IPBlock.Except is allowed`,
  `${TCP} should allow ingress access from updated namespace`,
  `${TCP} should deny ingress access to updated pod`,
  `${TCP} should enforce updated policy`,
  `${TCP} should not allow access by TCP when a policy specifies only UDP`,
  `${TCP} should support denying of egress traffic on the client side (even if the server explicitly allows this traffic)`,
  '[LinuxOnly] NetworkPolicy between server and client using UDP should enforce policy based on Ports',
];

/** How many there are in all without those that need SCTP in the kernel. */
export const ALL = 45;

/** All of them in three parts of about the same size, as regular expressions for names. */
export const PARTS: readonly string[] = [
  String.raw`Netpol (API|\[LinuxOnly\])|client should enforce (policy to|updated)`,
  'client should enforce (multiple|policies|policy based|egress|except|ingress)',
  'Netpol NetworkPolicy between server and client should ([^e]|ensure)',
];

/** Tests of the conformance suite of ClusterNetworkPolicy v0.2.0, those for SCTP alone left out. */
export const CONFORMANCE = 20;
