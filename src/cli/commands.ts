import type { CommandEntry } from './shell.ts';

/** Every command, in the order in which the help lists them. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'demo',
    summary: 'see it at work on a bundled shop: who reaches whom, why not, and which line to change',
    load: async () => (await import('./commands/demo.ts')).demo,
  },
  {
    name: 'explain',
    summary: 'why can (or cannot) A reach B? The deciding rule, near misses, and the fix',
    load: async () => (await import('./commands/explain.ts')).explain,
  },
  {
    name: 'connectivity',
    summary: 'who reaches whom: all pairs of workloads and address ranges',
    load: async () => (await import('./commands/connectivity.ts')).connectivity,
  },
  {
    name: 'exposure',
    summary: 'who could reach each workload, also from pods and namespaces that do not exist yet',
    load: async () => (await import('./commands/exposure.ts')).exposure,
  },
  {
    name: 'diff',
    summary: 'which flows a change opens, closes or narrows',
    load: async () => (await import('./commands/diff.ts')).diff,
  },
  {
    name: 'policies',
    summary: 'which policies select a workload, and what each adds',
    load: async () => (await import('./commands/policies.ts')).policies,
  },
  {
    name: 'query',
    summary: 'answer a file of questions',
    load: async () => (await import('./commands/query.ts')).query,
  },
  {
    name: 'validate',
    summary: 'what an API server would reject, in its own words, at file:line:column',
    load: async () => (await import('./commands/validate.ts')).validate,
  },
  {
    name: 'probe',
    summary: 'hold what the policies say against real connections; --smoke: are policies enforced here at all?',
    load: async () => (await import('./commands/probe.ts')).probe,
  },
  {
    name: 'agent',
    summary: 'enforce the policies on one node: follow an API server, keep its nftables table true',
    load: async () => (await import('./commands/agent.ts')).agent,
  },
  {
    name: 'snapshot',
    summary: 'save a live cluster into one reviewable file that -f reads back',
    load: async () => (await import('./commands/snapshot.ts')).snapshot,
  },
  {
    name: 'lab',
    summary: 'a cluster of network namespaces on this machine: real packets, enforced policies',
    load: async () => (await import('./commands/lab.ts')).lab,
  },
  {
    name: 'completion',
    summary: 'print a completion script for bash, zsh or fish',
    load: async () => (await import('./commands/completion.ts')).completion,
  },
  {
    name: 'version',
    summary: 'print the version',
    load: async () => (await import('./commands/version.ts')).version,
  },
];
