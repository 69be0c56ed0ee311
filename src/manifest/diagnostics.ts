import type { Diagnostic } from '../model/diagnostic.ts';

/** One kind of message of the manifest reader, as the registry page lists it. */
export interface DiagnosticCode {
  readonly code: string;
  readonly title: string;
}

/** What the reader can have to say, by name. */
export type ManifestDiagnostic =
  | 'tooLarge'
  | 'encoding'
  | 'syntax'
  | 'separator'
  | 'nesting'
  | 'alias'
  | 'value'
  | 'duplicateKey'
  | 'notObject'
  | 'apiVersion'
  | 'kind'
  | 'metadata'
  | 'name'
  | 'namespace'
  | 'items'
  | 'ignoredText'
  | 'duplicateObject'
  | 'generatedName'
  | 'notList';

/** Every code of this layer; a code is never reused for something else. */
export const MANIFEST_DIAGNOSTICS: Readonly<Record<ManifestDiagnostic, DiagnosticCode>> = {
  tooLarge: { code: 'RP001', title: 'a file or document exceeds the size limit' },
  encoding: { code: 'RP002', title: 'a file is not text that Kubernetes tools can read' },
  syntax: { code: 'RP003', title: 'a document is not valid YAML or JSON' },
  separator: { code: 'RP004', title: 'a document separator carries other text' },
  nesting: { code: 'RP005', title: 'a document is nested too deeply' },
  alias: { code: 'RP006', title: 'an alias is unknown, contains itself or expands excessively' },
  value: { code: 'RP007', title: 'a key or value has no JSON form' },
  duplicateKey: { code: 'RP008', title: 'a key occurs twice in one mapping' },
  notObject: { code: 'RP009', title: 'a document is not an object' },
  apiVersion: { code: 'RP010', title: '`apiVersion` is missing or invalid' },
  kind: { code: 'RP011', title: '`kind` is missing or invalid' },
  metadata: { code: 'RP012', title: '`metadata` is invalid' },
  name: { code: 'RP013', title: '`metadata.name` is missing or invalid' },
  namespace: { code: 'RP014', title: '`metadata.namespace` is invalid' },
  items: { code: 'RP015', title: '`items` of a list is invalid' },
  ignoredText: { code: 'RP016', title: 'text after a document end marker is not read' },
  duplicateObject: { code: 'RP017', title: 'an object is given twice' },
  generatedName: { code: 'RP018', title: 'the name of an object is left to the server' },
  notList: { code: 'RP019', title: 'an object with `items` is read as a list' },
};

/** Which limits a reading keeps; each has a default that no ordinary manifest meets. */
export interface Limits {
  /** Bytes (or UTF-16 units of a text) of one file. */
  readonly maxBytes: number;
  /** UTF-16 units of one YAML document; JSON has only the limit of the file. */
  readonly maxDocumentLength: number;
  /** Levels of nesting of one document. */
  readonly maxDepth: number;
}

/** Says why one document cannot be decoded, and where in its text; caught by the reader, never by others. */
export class DocumentError extends Error {
  override readonly name = 'DocumentError';
  readonly what: ManifestDiagnostic;
  /** UTF-16 offset in the text of the document. */
  readonly offset: number;
  readonly help: string | undefined;

  constructor(what: ManifestDiagnostic, offset: number, message: string, help?: string) {
    super(message);
    this.what = what;
    this.offset = offset;
    this.help = help;
  }
}

/** A diagnostic about a place in a file that holds no object (yet). */
export function atPlace(
  what: ManifestDiagnostic,
  at: NonNullable<Diagnostic['at']>,
  message: string,
  help: string | undefined,
  severity: Diagnostic['severity'] = 'error',
): Diagnostic {
  return {
    code: MANIFEST_DIAGNOSTICS[what].code,
    severity,
    message,
    ...(help === undefined ? {} : { help }),
    ...(severity === 'error' ? { refused: true } : {}),
    origin: null,
    at,
  };
}
