import type { ConnectivityReport } from '../../model/report.ts';
import type { Format, RenderOptions } from '../format.ts';
import { pageData } from './html/data.ts';
import { PAGE_SCRIPT } from './html/script.ts';
import { PAGE_STYLE } from './html/style.ts';
import { xml } from './svg.ts';

/** JSON that cannot end the script element that it stands in. */
export function scriptJson(value: unknown): string {
  return JSON.stringify(value)
    .replaceAll('<', '\\u003c')
    .replaceAll('>', '\\u003e')
    .replaceAll('&', '\\u0026')
    .replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029');
}

/** One file that needs nothing else: the policy of the page itself forbids every request. */
function* page(report: ConnectivityReport, options: RenderOptions): Generator<string> {
  const parts = options.page ?? {};
  const title = parts.title ?? 'Connectivity';
  yield `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>${xml(title)}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<a class="skip" href="#table">Skip to the table</a>
<header><h1>${xml(title)}</h1><div class="figures" id="figures"></div></header>
<form id="filters" role="search">
<label>Search <input type="search" id="search" placeholder="web, shop or web → db" autocomplete="off" spellcheck="false"></label>
<label>From <select id="from"></select></label>
<label>To <select id="to"></select></label>
<label>Verdict <select id="verdict"><option value="">any</option><option value="allowed">allowed</option><option value="denied">denied</option><option value="undefined">unspecified</option></select></label>
<label>Port <input id="ports" placeholder="443, 53/udp" autocomplete="off" spellcheck="false"></label>
<button type="reset">Clear</button>
<div class="tabs" role="tablist" id="tabs"></div>
</form>
<main>
<section class="view" id="matrix" role="tabpanel" aria-label="Matrix"><div class="scroll" tabindex="0" role="application" aria-label="Matrix of sources by row and destinations by column; arrow keys move, Enter explains" aria-describedby="live"><div class="size"></div></div><canvas aria-hidden="true"></canvas><div class="legend" aria-hidden="true"></div><div class="empty" hidden>No pair matches the filters.</div></section>
<section class="view" id="table" role="tabpanel" aria-label="Table" hidden><div class="scroll"><div class="rowhead"></div><div class="rows" role="listbox" aria-label="Pairs" tabindex="0" style="position:relative"></div></div><div class="empty" hidden>No pair matches the filters.</div></section>
<section class="view" id="exposure" role="tabpanel" aria-label="Exposure" hidden><div class="scroll"><div class="page"></div></div></section>
<section class="view" id="notes" role="tabpanel" aria-label="Notes" hidden><div class="scroll"><div class="page"></div></div></section>
<aside id="why" aria-label="Why" hidden></aside>
</main>
<div class="tip" id="tip" hidden></div>
<div class="live" id="live" aria-live="polite"></div>
<noscript><p style="padding:18px">This page shows its report with JavaScript. Without it, use <code>rampart connectivity -o markdown</code>.</p></noscript>
<script type="application/json" id="data">`;
  yield scriptJson(pageData(report, parts));
  yield `</script>
<script>${PAGE_SCRIPT}</script>
</body>
</html>
`;
}

export const html: Format = {
  name: 'html',
  mediaType: 'text/html; charset=utf-8',
  extension: 'html',
  renderers: { ConnectivityReport: page },
};
