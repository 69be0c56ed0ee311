import type { ExposureReport } from '../model/report.ts';
import type { Explanations } from './explanations.ts';
import type { Report, ReportKind } from './report.ts';

export interface RenderOptions {
  /** ANSI colours in `text`. */
  readonly colour: boolean;
  /** Columns of the terminal; absent: lines are never wrapped. */
  readonly width?: number;
  readonly verbose?: boolean;
  /** Further parts of the `html` page. */
  readonly page?: PageParts;
}

/** What the `html` page of a connectivity report shows besides the report itself. */
export interface PageParts {
  readonly title?: string;
  readonly exposure?: ExposureReport;
  readonly explanations?: Explanations;
}

/** Renders one kind of report; the chunks in order are the text. */
export type Renderer<K extends ReportKind> = (
  report: Extract<Report, { readonly kind: K }>,
  options: RenderOptions,
) => Iterable<string>;

export type Renderers = { readonly [K in ReportKind]?: Renderer<K> };

/** An output format: one file in `formats/`, one line in the registry. */
export interface Format {
  /** As `--output` names it. */
  readonly name: string;
  readonly mediaType: string;
  readonly extension: string;
  readonly renderers: Renderers;
}
