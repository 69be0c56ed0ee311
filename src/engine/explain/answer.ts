/**
 * Answers questions whose ends stand for several things: a workload for its pods, a Service for its backends, a block for
 * its addresses, a missing port for all ports. One answer holds for all of them, or it is undefined and says who differs.
 */
import { type Cidr, covers } from '../../base/ip.ts';
import type { Endpoint } from '../../model/flow.ts';
import { PORT_PROTOCOLS, type PortProtocol, type Protocol } from '../../model/match.ts';
import type { Direction } from '../../model/program.ts';
import type { Verdict, VerdictKind } from '../../model/verdict.ts';
import { type AskedEnd, type Case, casesOf, type Question } from './answer-cases.ts';
import { type Judged, mergeVerdicts } from './answer-merge.ts';
import { portSpans } from './answer-split.ts';
import { explainPrepared } from './explain.ts';
import type { Prepared } from './prepare.ts';

export type { AskedEnd, Question } from './answer-cases.ts';

/** Ports that share a verdict. */
export interface PortLine {
  readonly protocol: PortProtocol;
  readonly first: number;
  readonly last: number;
  readonly verdict: VerdictKind;
  readonly egress: string | null;
  readonly ingress: string | null;
  /** A container port of the destination, or a port of the Service, is among them. */
  readonly declared: boolean;
  readonly undefinedBecause: string | null;
}

/** The verdict of a question; `ports` tells ports apart where none was asked for. */
export interface Answer extends Verdict {
  readonly ports: readonly PortLine[] | null;
}

export interface AnswerOptions {
  readonly reasons?: 'all' | 'deciding';
}

/** Answers one question; reasons are those of all flows that it stands for. */
export function answerQuestion(prepared: Prepared, question: Question, options: AnswerOptions = {}): Answer {
  if (question.port === null && !isIcmp(question.protocol)) return answerPorts(prepared, question, options);
  return { ...answerOne(prepared, question, options), ports: null };
}

function isIcmp(protocol: Protocol | null): boolean {
  return protocol === 'ICMP' || protocol === 'ICMPv6';
}

function answerOne(prepared: Prepared, question: Question, options: AnswerOptions): Verdict {
  const expanded = casesOf(prepared, question, (other) => answerOne(prepared, other, { reasons: 'deciding' }));
  if ('because' in expanded) return unanswerable(question.direction, expanded.because);
  const verdict = judge(prepared, question, expanded.cases, options);
  const inside = [question.source, question.destination].some(
    (end) => end.kind === 'range' && holdsEndpoints(prepared, end.cidr),
  );
  const caveats = inside
    ? ['addresses of pods and nodes in the block are judged as if they were outside of the cluster']
    : [];
  return { ...verdict, caveats: [...new Set([...verdict.caveats, ...expanded.caveats, ...caveats])] };
}

function judge(prepared: Prepared, question: Question, cases: readonly Case[], options: AnswerOptions): Verdict {
  const explain = { direction: question.direction, reasons: options.reasons ?? 'all' };
  return mergeVerdicts(
    cases.map(({ flow, marks }): Judged => ({ marks, verdict: explainPrepared(prepared, flow, explain) })),
  );
}

/** The answer to a question that cannot be asked. */
export function unanswerable(direction: Direction | null, because: string): Verdict {
  const end = (one: Direction): Verdict['egress'] =>
    direction !== null && direction !== one
      ? null
      : {
          direction: one,
          verdict: 'undefined',
          decidedBy: null,
          plane: 'network',
          reasons: [],
          missing: [because],
          caveats: [],
        };
  return {
    verdict: 'undefined',
    undefinedBecause: because,
    caveats: [],
    egress: end('egress'),
    ingress: end('ingress'),
  };
}

/** Whether addresses of pods or nodes lie in a block. */
function holdsEndpoints(prepared: Prepared, block: Cidr): boolean {
  const { cluster } = prepared.facts;
  return (
    cluster.workloads.some((workload) => workload.pods.some((pod) => pod.addresses.some((ip) => covers(block, ip)))) ||
    cluster.nodes.some((node) => node.addresses.some((ip) => covers(block, ip)))
  );
}

// ── all ports ───────────────────────────────────────────────────────────────────────────────────────────────────

/** Asks about every span of ports that the policies of the question can tell apart (exact, not a sample). */
function answerPorts(prepared: Prepared, question: Question, options: AnswerOptions): Answer {
  const { destination } = question;
  const protocols = PORT_PROTOCOLS.filter((each) => question.protocol === null || question.protocol === each);
  const lines: { readonly line: PortLine; readonly verdict: Verdict }[] = [];
  const ask = (protocol: PortProtocol, first: number, last: number, declared: boolean): void => {
    // The full story of every undeclared span would drown the ports that something listens on.
    const verdict = answerOne(
      prepared,
      { ...question, protocol, port: first },
      declared ? options : { reasons: 'deciding' },
    );
    const line: PortLine = {
      protocol,
      first,
      last,
      verdict: verdict.verdict,
      egress: verdict.egress?.decidedBy ?? null,
      ingress: verdict.ingress?.decidedBy ?? null,
      declared,
      undefinedBecause: verdict.undefinedBecause,
    };
    lines.push({ line, verdict });
  };
  if (destination.kind === 'service' && destination.service.type !== 'ExternalName') {
    for (const port of destination.service.ports) {
      if (protocols.includes(port.protocol)) ask(port.protocol, port.port, port.port, true);
    }
    if (lines.length === 0) return { ...answerOne(prepared, question, options), ports: [] };
  } else {
    const ends = { egress: endpointsOf(question.source), ingress: endpointsOf(destination) };
    const declared = ends.ingress.flatMap((end) => (end.kind === 'pod' ? end.pod.ports : []));
    for (const protocol of protocols) {
      for (const { first, last } of portSpans(prepared, protocol, ends)) {
        const named = declared.some((port) => port.protocol === protocol && first <= port.port && port.port <= last);
        ask(protocol, first, last, named);
      }
    }
  }
  // Declared ports go first, so that what decides about them leads the reasons.
  const judged = lines
    .map(({ line, verdict }): Judged & { readonly line: PortLine } => ({
      marks: { port: wordSpan(wholeSpan(lines, line)) },
      verdict,
      line,
    }))
    .sort((a, b) => Number(b.line.declared) - Number(a.line.declared));
  const verdict = mergeVerdicts(judged);
  return { ...verdict, ports: mergeLines(lines.map((each) => each.line)) };
}

function endpointsOf(end: AskedEnd): readonly Endpoint[] {
  switch (end.kind) {
    case 'pods':
      return end.pods.map((pod) => ({ kind: 'pod', pod }));
    case 'service':
      return end.service.backends.flatMap(({ pod }) => (pod === null ? [] : [{ kind: 'pod', pod }]));
    default:
      return [];
  }
}

/** The widest run of neighbouring spans around one that end alike: how a text names it. */
function wholeSpan(lines: readonly { readonly line: PortLine }[], line: PortLine): PortLine {
  let { first, last } = line;
  const like = lines.filter((each) => each.line.protocol === line.protocol && each.line.verdict === line.verdict);
  for (const each of like) if (each.line.first === last + 1) last = each.line.last;
  for (const each of [...like].reverse()) if (each.line.last === first - 1) first = each.line.first;
  return { ...line, first, last };
}

function wordSpan({ protocol, first, last }: Pick<PortLine, 'protocol' | 'first' | 'last'>): string {
  if (first === 1 && last === 65535) return `every ${protocol} port`;
  return first === last ? `${protocol} ${first}` : `${protocol} ${first}-${last}`;
}

/** Neighbouring spans with the same verdict for the same reason become one line, except that declared ports stay apart. */
function mergeLines(lines: readonly PortLine[]): readonly PortLine[] {
  const out: PortLine[] = [];
  for (const line of lines) {
    const last = out.at(-1);
    const joins =
      last !== undefined &&
      last.protocol === line.protocol &&
      last.last + 1 === line.first &&
      last.verdict === line.verdict &&
      last.egress === line.egress &&
      last.ingress === line.ingress &&
      last.undefinedBecause === line.undefinedBecause &&
      last.declared === line.declared;
    if (joins) out[out.length - 1] = { ...last, last: line.last };
    else out.push(line);
  }
  return out;
}
