import { loadAll } from 'js-yaml';
import { IoError } from '../io/io-error.ts';
import type { FlowQuestion } from '../report/report.ts';

/** A question with the line that it begins on, where the file has one question a line. */
export interface WrittenQuestion {
  readonly question: FlowQuestion;
  readonly line: number | null;
}

/** Reads questions from a JSON array, JSON Lines, or YAML (lists or questions, in one or several documents). Throws {@link IoError} for what is none of them. */
export function readQuestions(text: string, file: string): readonly WrittenQuestion[] {
  const body = text.replace(/^\uFEFF/, '');
  const start = body.trimStart();
  if (start === '') return [];
  if (start.startsWith('{')) {
    const lines = asLines(body, file);
    if (lines !== null) return lines;
  }
  let documents: readonly unknown[];
  try {
    documents = start.startsWith('[') ? [JSON.parse(body)] : loadAll(body);
  } catch (error) {
    throw wrong(
      file,
      `is neither JSON, JSON Lines nor YAML: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : ''}`,
    );
  }
  const lists = documents.filter((document) => document !== null && document !== undefined).map(listOf);
  const list = lists.includes(null) ? null : lists.flatMap((questions) => questions ?? []);
  if (list === null) throw wrong(file, 'holds no list of questions');
  return list.map((question, i) => {
    if (!isRecord(question)) throw wrong(file, `question ${i + 1} is no object`);
    return { question: question as FlowQuestion, line: null };
  });
}

/** A list of questions, such a list under `flows`, or one question; `null` for anything else. */
function listOf(value: unknown): readonly unknown[] | null {
  if (Array.isArray(value)) return value;
  if (!isRecord(value)) return null;
  return Array.isArray(value.flows) ? value.flows : [value];
}

/** One object a line; `null` if the file is something else (one object over several lines). */
function asLines(body: string, file: string): readonly WrittenQuestion[] | null {
  const out: WrittenQuestion[] = [];
  for (const [i, line] of body.split('\n').entries()) {
    if (line.trim() === '') continue;
    try {
      const question: unknown = JSON.parse(line);
      if (!isRecord(question)) throw new SyntaxError('no object');
      out.push({ question: question as FlowQuestion, line: i + 1 });
    } catch {
      if (out.length === 0) return null;
      throw wrong(`${file}:${i + 1}`, 'is no JSON object');
    }
  }
  return out;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function wrong(file: string, message: string): IoError {
  return new IoError('unreadable', `\`${file}\` ${message}`, {
    help: 'write a list of questions such as {"src": "shop/web", "dst": "shop/db", "protocol": "TCP", "port": 5432}',
  });
}
