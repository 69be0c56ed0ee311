import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PageParts } from '../../src/report/format.ts';
import { render } from '../../src/report/registry.ts';
import type { Report } from '../../src/report/report.ts';
import { connectivity, exposure, hostile } from '../golden/samples.ts';
import { services } from './pages.ts';

const CHROMIUM = '/usr/bin/chromium';
const missing = !existsSync(CHROMIUM);
if (missing) console.warn(`skipped: ${CHROMIUM} is not installed`);

let browser: Browser;
let folder: string;
beforeAll(async () => {
  if (missing) return;
  folder = mkdtempSync(join(tmpdir(), 'rampart-html-'));
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
});
afterAll(async () => {
  if (missing) return;
  await browser.close();
  rmSync(folder, { recursive: true });
});

/** Opens the report as a file and collects all that a quiet page must not do. */
async function open(
  report: Report,
  page: PageParts,
  scheme: 'light' | 'dark' = 'light',
): Promise<{ readonly page: Page; readonly trouble: string[] }> {
  const file = join(folder, 'report.html');
  writeFileSync(file, render(report, 'html', { colour: false, page }));
  const tab = await browser.newPage({ colorScheme: scheme, viewport: { width: 1400, height: 860 } });
  const trouble: string[] = [];
  const address = pathToFileURL(file).href;
  tab.on('console', (message) => trouble.push(`${message.type()}: ${message.text()}`));
  tab.on('pageerror', (error) => trouble.push(`error: ${error.message}`));
  tab.on('dialog', (dialog) => {
    trouble.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  tab.on('request', (request) => {
    if (request.url() !== address && !request.url().startsWith('data:')) trouble.push(`request: ${request.url()}`);
  });
  await tab.goto(address);
  return { page: tab, trouble };
}

const rowsOf = (page: Page): Promise<string[]> =>
  page
    .locator('#table .row')
    .evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent).join(' | ')));

async function pairs(page: Page, count: number): Promise<void> {
  await page.waitForFunction((n) => document.getElementById('live')?.textContent === `${n} pairs`, count);
}

describe.skipIf(missing)('html', () => {
  test('searches, filters, and says why', async () => {
    const { report, explanations } = services(6);
    const { page, trouble } = await open(report, { explanations });
    await page.click('#tab-table');
    // 4 edges in each of 6 namespaces, 2 ranges to 6 web workloads, one unspecified pair.
    await pairs(page, 37);

    await page.fill('#search', 'team-3/db');
    await pairs(page, 2);
    expect(await rowsOf(page)).toEqual([
      'team-3/api | team-3/db | TCP 5432 | allowed',
      'team-3/worker | team-3/db | TCP 5432 | allowed',
    ]);

    await page.fill('#search', 'worker → db');
    await pairs(page, 6);
    await page.selectOption('#to', { label: 'team-2' });
    await pairs(page, 1);
    expect(await rowsOf(page)).toEqual(['team-2/worker | team-2/db | TCP 5432 | allowed']);

    await page.click('button[type=reset]');
    await pairs(page, 37);
    await page.selectOption('#verdict', 'undefined');
    await pairs(page, 1);
    expect(await rowsOf(page)).toEqual(['team-0/worker | team-0/cache | unspecified | unspecified']);
    // 32 peers: 30*29 + 2*30*2 pairs that policies decide about, 36 allowed and one unspecified.
    await page.selectOption('#verdict', 'denied');
    await pairs(page, 30 * 29 + 120 - 37);
    await page.selectOption('#verdict', '');

    // On UDP 53 only what allows every port is left: api to cache in 6 namespaces; the unspecified pair stays so.
    await page.fill('#ports', '53/udp');
    await pairs(page, 7);
    await page.fill('#ports', 'tcp 5432');
    await pairs(page, 6 + 12 + 1);
    await page.fill('#ports', '99999');
    await pairs(page, 37);
    expect(await page.getAttribute('#ports', 'aria-invalid')).toBe('true');
    await page.fill('#ports', '');

    await page.fill('#search', 'team-0/worker → team-0/db');
    await pairs(page, 1);
    await page.click('#table .row');
    const why = page.locator('#why');
    expect(await why.locator('h2').textContent()).toBe('team-0/worker → team-0/db');
    expect(await why.locator('h3').allTextContents()).toEqual([
      'allowed TCP 5432',
      'denied TCP 1-5431,5433-65535 UDP all SCTP all',
    ]);
    expect(await why.locator('li').allTextContents()).toContain(
      'rule 1 matches the peer but not the portNetworkPolicy/team-0/db spec.ingress[0]',
    );
    await page.fill('#ports', '5433');
    await page.waitForFunction(() => document.querySelector('#why h3')?.textContent?.startsWith('denied TCP'));
    expect(await why.locator('p').first().textContent()).toBe('denied on 5433 · TCP 5432');
    await page.keyboard.press('Escape');
    expect(await why.isHidden()).toBe(true);
    expect(trouble).toEqual([]);
    await page.close();
  });

  test('the matrix answers to mouse and keyboard', async () => {
    const { report, explanations } = services(6);
    const { page, trouble } = await open(report, { explanations });
    const area = page.locator('#matrix .scroll');
    await area.focus();
    // Peers are sorted by namespace and name: api, cache, db, web, worker; (api, api) is first.
    await page.keyboard.press('ArrowRight');
    expect(await page.textContent('#live')).toBe('team-0/api → team-0/cache: allowed, all');
    await page.keyboard.press('ArrowRight');
    expect(await page.textContent('#live')).toBe('team-0/api → team-0/db: allowed, TCP 5432');
    await page.keyboard.press('Enter');
    expect(await page.textContent('#why h2')).toBe('team-0/api → team-0/db');
    // No reasons are given for this pair, so the page says how to get them.
    expect(await page.textContent('#why code')).toBe('rampart explain team-0/api team-0/db -f …');
    await page.keyboard.press('End');
    await page.keyboard.press('PageDown');
    expect(await page.textContent('#live')).toContain('→ ::/0: denied');

    await page.keyboard.press('Escape');
    const box = await area.boundingBox();
    if (box === null) throw new Error('no matrix');
    await area.evaluate((node) => node.scrollTo(0, 0));
    await page.mouse.move(box.x + 600, box.y + 400);
    const tip = await page.textContent('#tip');
    expect(tip).toMatch(/^team-\d\/\w+ → /);
    await page.mouse.click(box.x + 600, box.y + 400);
    expect(tip?.startsWith(`${await page.textContent('#why h2')}:`)).toBe(true);
    expect(trouble).toEqual([]);
    await page.close();
  });

  test('names cannot leave their place', async () => {
    const title = '</title><script>alert(1)</script>';
    const { page, trouble } = await open(hostile, { title, exposure });
    expect(await page.title()).toBe(title);
    await page.click('#tab-table');
    await page.click('#table .row >> nth=0');
    expect(await page.locator('#why h2').textContent()).toContain('x</script><img src=x onerror=alert(1)>');
    expect(await page.locator('img, script[src]').count()).toBe(0);
    expect(trouble).toEqual([]);
    await page.close();
  });

  test('shows exposure and notes in the dark', async () => {
    const { page, trouble } = await open(connectivity, { exposure }, 'dark');
    await page.click('#tab-exposure');
    expect(await page.locator('#exposure td').allTextContents()).toContain(
      'pods role in (reader,writer) in namespaces team=data',
    );
    await page.keyboard.press('ArrowRight');
    expect(await page.locator('#notes h2').allTextContents()).toEqual([
      'From ingress controllers',
      'Between replicas of one workload',
      'Unspecified because',
      'Findings',
    ]);
    const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    expect(ground).toBe('rgb(15, 20, 25)');
    expect(trouble).toEqual([]);
    await page.close();
  });

  test.each([60, 200])('%i namespaces of five workloads stay usable', async (namespaces) => {
    const { report } = services(namespaces);
    const { page, trouble } = await open(report, {});
    await pairs(page, namespaces * 6 + 1);
    await page.click('#tab-table');
    await page.selectOption('#verdict', 'denied');
    const n = namespaces * 5;
    await pairs(page, n * (n - 1) + 4 * n - namespaces * 6 - 1);
    // Only what is in sight exists.
    expect(await page.locator('#table .row').count()).toBeLessThan(60);
    await page.locator('#table .rows').focus();
    await page.keyboard.press('End');
    await page.keyboard.press('Enter');
    expect(await page.locator('#why h2').isVisible()).toBe(true);
    await page.click('#tab-matrix');
    const painted = await page.evaluate(async () => {
      const area = document.querySelector('#matrix .scroll');
      const frame = (): Promise<number> => new Promise((resolve) => requestAnimationFrame(resolve));
      await frame();
      const start = performance.now();
      for (let i = 1; i <= 20; i++) {
        area?.scrollTo(i * 40, i * 40);
        await frame();
      }
      return (performance.now() - start) / 20;
    });
    // A frame of 16 ms would be smooth; a machine that is busy with other tests gets much more.
    expect(painted).toBeLessThan(250);
    expect(trouble).toEqual([]);
    await page.close();
  });

  test('the picture overlaps no labels and needs nothing else', async () => {
    const { page, trouble } = await open(connectivity, {});
    for (const report of [connectivity, services(12).report]) {
      await page.setContent(render(report, 'svg', { colour: false }));
      const overlaps = await page.evaluate(() => {
        const boxes = [...document.querySelectorAll('svg text')].map((node) => {
          const { left, top, right, bottom } = node.getBoundingClientRect();
          return { text: node.textContent, left, top: top + 2, right, bottom: bottom - 2 };
        });
        const out: string[] = [];
        for (const [i, a] of boxes.entries()) {
          for (const b of boxes.slice(i + 1)) {
            if (a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
              out.push(`${a.text} × ${b.text}`);
          }
        }
        const view = document.querySelector('svg')?.getBoundingClientRect();
        for (const box of boxes)
          if (view !== undefined && (box.right > view.right || box.bottom > view.bottom))
            out.push(`${box.text} outside`);
        return out;
      });
      expect(overlaps).toEqual([]);
    }
    expect(trouble).toEqual([]);
    await page.close();
  });
});
