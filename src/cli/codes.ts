/** Diagnostics of the command line itself; codes are never reused. */
export const SHELL_CODES = {
  'bad-question': {
    code: 'RP500',
    title: 'a question that cannot be asked: an endpoint, port or protocol that means nothing',
  },
  'not-enforced': { code: 'RP501', title: 'nothing in the live cluster is known to enforce its policies' },
} as const;
