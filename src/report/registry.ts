import type { Format, Renderer, RenderOptions } from './format.ts';
import { csv } from './formats/csv.ts';
import { dot } from './formats/dot.ts';
import { html } from './formats/html.ts';
import { json } from './formats/json.ts';
import { junit } from './formats/junit.ts';
import { markdown } from './formats/markdown.ts';
import { mermaid } from './formats/mermaid.ts';
import { svg } from './formats/svg.ts';
import { text } from './formats/text.ts';
import { yaml } from './formats/yaml.ts';
import type { Report, ReportKind } from './report.ts';

/** Every output format, in the order in which help texts list them. */
export const FORMATS: readonly Format[] = [text, json, yaml, csv, markdown, html, dot, mermaid, svg, junit];

/** The names of the formats that render this kind of report. */
export function formatsFor(kind: ReportKind): readonly string[] {
  return FORMATS.filter((format) => Object.hasOwn(format.renderers, kind)).map((format) => format.name);
}

/** The format of that name if it renders this kind of report, else `null`. */
export function findFormat(name: string, kind: ReportKind): Format | null {
  return FORMATS.find((format) => format.name === name && Object.hasOwn(format.renderers, kind)) ?? null;
}

/**
 * The report in that format, as chunks that together are the text: of a large report no more than one is in memory.
 * Throws `RangeError` if the format does not render this kind of report ({@link findFormat} tells before).
 */
export function renderChunks(report: Report, formatName: string, options: RenderOptions): Iterable<string> {
  const format = findFormat(formatName, report.kind);
  // The renderer was looked up by this very report's kind, which the compiler cannot follow through a union.
  const renderer = format?.renderers[report.kind] as Renderer<ReportKind> | undefined;
  if (renderer === undefined) throw new RangeError(`\`${formatName}\` does not render a ${report.kind}`);
  return renderer(report, options);
}

/** The report as one string; only for reports that are known to be small. */
export function render(report: Report, formatName: string, options: RenderOptions): string {
  return [...renderChunks(report, formatName, options)].join('');
}
