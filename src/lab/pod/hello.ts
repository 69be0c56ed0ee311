/** What every attempt sends first, so that programs which speak another protocol (DNS) know an attempt when they see one. */
export const HELLO = 'rampart-lab?\n';
