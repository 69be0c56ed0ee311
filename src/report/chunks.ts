/** Long enough that writing a chunk costs more than making it, short enough to never matter. */
const CHUNK = 1 << 16;

/** Joins small pieces into chunks of about 64 Ki characters. */
export function* inChunks(pieces: Iterable<string>): Generator<string> {
  let buffer = '';
  for (const piece of pieces) {
    buffer += piece;
    if (buffer.length >= CHUNK) {
      yield buffer;
      buffer = '';
    }
  }
  if (buffer !== '') yield buffer;
}

/** Lines with their ends, as pieces of text. */
export function* asLines(lines: Iterable<string>): Generator<string> {
  for (const line of lines) yield `${line}\n`;
}
