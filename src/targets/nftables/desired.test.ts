import { describe, expect, it } from 'vitest';
import { DesiredTable } from './desired.ts';
import { DEFAULT_LAYOUT } from './layout.ts';

const rules = (...texts: readonly string[]) => ({ hook: null, rules: texts });

/** The kernel has one pod of identity 0x80003, and a subject 1 that lets it in at ports 100 to 200. */
function settled(): DesiredTable {
  const desired = new DesiredTable(DEFAULT_LAYOUT);
  desired.set('id4', '10.0.0.1', '8000:3000');
  desired.setChain('s_1', rules('goto deny_ingress'));
  desired.set('range', '8000:3001 . 6 . 100-200', '');
  desired.transaction();
  desired.commit();
  return desired;
}

describe('what goes ahead of a transaction', () => {
  it('is nothing for a table that is not there', () => {
    const desired = new DesiredTable(DEFAULT_LAYOUT);
    desired.set('range', '8000:3001 . 6 . 100-200', '');
    expect(desired.transaction().ahead).toBe('');
  });

  it('is nothing that a packet could meet: a known identity with a known subject, or anybody', () => {
    const desired = settled();
    desired.set('range', '8000:3001 . 6 . 300-400', '');
    desired.set('no_range', '8000:3001 . 17 . 300-400', '');
    desired.set('range', '0:1 . 6 . 500-600', '');
    desired.set('exact', '8000:4001 . 6 . 80', '');
    const { ahead, text } = desired.transaction();
    expect(ahead).toBe('');
    expect(text).toContain('8000:3001 . 6 . 300-400');
  });

  it('is what has an identity that no address has in the kernel', () => {
    const desired = settled();
    desired.set('id4', '10.0.0.2', '8000:4000');
    desired.set('range', '8000:4001 . 6 . 100-200', '');
    desired.set('range', '8000:3001 . 6 . 300-400', '');
    const { ahead, text } = desired.transaction();
    expect(ahead).toBe('add element inet rampart range { 8000:4001 . 6 . 100-200 }\n');
    expect(text).toContain('8000:4001 . 6 . 100-200');
  });

  it('is what has a subject that has no chain in the kernel', () => {
    const desired = settled();
    desired.setChain('s_2', rules('goto deny_ingress'));
    desired.set('range', '8000:3002 . 6 . 1-99', '');
    desired.set('no_range', '0:2 . 6 . 500-600', '');
    expect(desired.transaction().ahead).toBe(
      'add element inet rampart range { 8000:3002 . 6 . 1-99 }\nadd element inet rampart no_range { 0:2 . 6 . 500-600 }\n',
    );
  });

  it('is nothing that overlaps with what is still there', () => {
    const desired = settled();
    desired.set('id4', '10.0.0.1', null);
    desired.transaction();
    desired.commit();
    // Nobody has the identity any more; its elements go when it gets another meaning.
    desired.set('range', '8000:3001 . 6 . 100-200', null);
    desired.set('range', '8000:3001 . 6 . 100-300', '');
    desired.set('range', '8000:3001 . 17 . 100-300', '');
    expect(desired.transaction().ahead).toBe('add element inet rampart range { 8000:3001 . 17 . 100-300 }\n');
  });

  it('knows what the kernel has and what is only wanted', () => {
    const desired = settled();
    // The number goes from one address to another in this change: the kernel still has it.
    desired.set('id4', '10.0.0.1', null);
    desired.set('id4', '10.0.0.9', '8000:3000');
    desired.set('range', '8000:3001 . 6 . 300-400', '');
    // A chain that is rewritten is there.
    desired.setChain('s_1', rules('goto allow_ingress'));
    desired.set('range', '0:1 . 6 . 500-600', '');
    expect(desired.transaction().ahead).toBe('');
    // One that is only told to go is there as well.
    desired.setChain('s_1', null);
    desired.set('range', '0:1 . 6 . 700-800', '');
    expect(desired.transaction().ahead).toBe('');
  });
});
