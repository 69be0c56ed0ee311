import { asLines, inChunks } from '../chunks.ts';
import type { Format, RenderOptions } from '../format.ts';
import { explanationText, queryText } from './text/answers.ts';
import { connectivityText } from './text/connectivity.ts';
import { validationText } from './text/diagnostics.ts';
import { diffText } from './text/diff.ts';
import { exposureText } from './text/exposure.ts';
import { policiesText } from './text/policies.ts';
import { probeText, smokeText } from './text/probe.ts';

function lines<R>(
  of: (report: R, options: RenderOptions) => Iterable<string>,
): (report: R, options: RenderOptions) => Iterable<string> {
  return (report, options) => inChunks(asLines(of(report, options)));
}

export const text: Format = {
  name: 'text',
  mediaType: 'text/plain; charset=utf-8',
  extension: 'txt',
  renderers: {
    ConnectivityReport: lines(connectivityText),
    ExposureReport: lines(exposureText),
    DiffReport: lines(diffText),
    QueryReport: lines(queryText),
    Explanation: lines(explanationText),
    PoliciesReport: lines(policiesText),
    ValidationReport: lines(validationText),
    ProbeReport: lines(probeText),
    SmokeReport: lines(smokeText),
  },
};
