import { describe, expect, it } from 'vitest';
import { DesiredTable } from './desired.ts';
import { DEFAULT_LAYOUT, stampedMark } from './layout.ts';
import { parseTable } from './parse.ts';
import { renderTable } from './render.ts';
import type { TableContent } from './table.ts';

function markOf(desired: DesiredTable): number {
  return stampedMark(desired.content().chains.get('stamp')) ?? 0;
}

/** What a kernel has after some generations, as it would be listed. */
function tableOf(generations: number, change: (text: string) => string): TableContent {
  const desired = new DesiredTable(DEFAULT_LAYOUT);
  for (let i = 0; i < generations; i++) {
    desired.replaceAll();
    desired.commit();
  }
  const parsed = parseTable(change(renderTable(desired.content())));
  if ('error' in parsed) throw new Error(parsed.error);
  return parsed;
}

describe('the generation of a table that replaces another one', () => {
  const older = tableOf(7, (text) => text.replace(/rampart layout \d+/, 'rampart layout 0'));

  it('comes after that of a table with another layout: what that one has cut stays cut', () => {
    expect(stampedMark(older.chains.get('stamp'))).toBe(0x0008_0000);
    const desired = new DesiredTable(DEFAULT_LAYOUT);
    expect(desired.rebase(older).drift).toEqual([expect.stringContaining('of another version')]);
    const { text } = desired.transaction();
    expect(text).toContain('ct mark 0x00090000/16 accept');
    expect(markOf(desired)).toBe(0x0009_0000);
  });

  it('never goes back to one that was used, whatever somebody puts back', () => {
    const desired = new DesiredTable(DEFAULT_LAYOUT);
    const saved = tableOf(1, (text) => text);
    for (let i = 0; i < 3; i++) {
      desired.replaceAll();
      desired.commit();
    }
    expect(desired.rebase(saved).drift.length).toBeGreaterThan(0);
    expect(desired.transaction().text).toContain('ct mark 0x00050000/16 accept');
  });

  it('is where it was told to begin when nothing is there', () => {
    const desired = new DesiredTable(DEFAULT_LAYOUT, 0x1233);
    expect(desired.rebase(null).drift).toEqual([]);
    expect(desired.transaction().text).toContain('ct mark 0x12350000/16 accept');
  });

  it('goes round in the space of the mask wherever it begins', () => {
    const desired = new DesiredTable(DEFAULT_LAYOUT, 2 ** 32 - 1);
    desired.replaceAll();
    const mark = markOf(desired);
    expect([mark & 0xffff, mark >>> 16 > 0]).toEqual([0, true]);
  });
});
