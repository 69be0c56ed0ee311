import type { Diagnostic } from '../../../model/diagnostic.ts';
import { objectId } from '../../../model/origin.ts';
import { placeOf } from '../../document.ts';
import type { RenderOptions } from '../../format.ts';
import type { ValidationReport } from '../../report.ts';
import { visible } from '../../visible.ts';
import { plural } from './connectivity.ts';
import { painter, type Style } from './paint.ts';

const STYLE: Readonly<Record<Diagnostic['severity'], Style>> = { error: 'denied', warning: 'warning', info: 'plain' };

/** `file:line:column CODE severity: message`, then the object and field, and the way out. */
export function* diagnosticLines(diagnostics: readonly Diagnostic[], options: RenderOptions): Generator<string> {
  const paint = painter(options.colour);
  for (const diagnostic of diagnostics) {
    const { file, line, column } = placeOf(diagnostic);
    const place = file === null ? '' : [file, line, column].filter((part) => part !== null).join(':');
    const { origin } = diagnostic;
    const about = origin === null ? '' : objectId(origin.object) + (origin.field === '' ? '' : ` ${origin.field}`);
    const head = [place === '' ? about : place, diagnostic.code].filter((part) => part !== '').join(' ');
    yield `${paint('strong', head)} ${paint(STYLE[diagnostic.severity], `${diagnostic.severity}:`)} ${visible(diagnostic.message)}`;
    if (place !== '' && about !== '')
      yield `  ${paint('dim', `in ${about}${diagnostic.refused === true ? ', left out' : ''}`)}`;
    if (diagnostic.help !== undefined) yield `  ${paint('dim', 'help:')} ${visible(diagnostic.help)}`;
  }
}

/** All findings and how many there are. */
export function* validationText(report: ValidationReport, options: RenderOptions): Generator<string> {
  yield* diagnosticLines(report.diagnostics, options);
  if (report.diagnostics.length > 0) yield '';
  yield severityCounts(report.diagnostics, options);
}

function severityCounts(diagnostics: readonly Diagnostic[], options: RenderOptions): string {
  const paint = painter(options.colour);
  const count = (severity: Diagnostic['severity']): number => diagnostics.filter((d) => d.severity === severity).length;
  const errors = count('error');
  const warnings = count('warning');
  if (errors + warnings === 0) return paint('allowed', 'valid');
  return [
    ...(errors > 0 ? [paint('denied', plural(errors, 'error'))] : []),
    ...(warnings > 0 ? [paint('warning', plural(warnings, 'warning'))] : []),
  ].join(', ');
}
