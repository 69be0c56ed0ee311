import type { ClusterIndex } from '../cluster/cluster-index.ts';
import type { PortText } from '../cluster/endpoint-text.ts';
import { withoutEnforcement } from '../engine/enforcement.ts';
import { type AskedEnd, answerQuestion, type Question, unanswerable } from '../engine/explain/answer.ts';
import { prepareExplain } from '../engine/explain/prepare.ts';
import { factsOf } from '../engine/match.ts';
import { withoutPods } from '../engine/unread-pods.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { FlowAnswer } from '../report/report.ts';
import {
  directionOf,
  endpointOf,
  icmpTypeOf,
  type Misunderstood,
  portOf,
  protocolOf,
  protocolsApart,
  type Understood,
} from './asking.ts';
import { SHELL_CODES } from './codes.ts';
import type { Loaded } from './input-options.ts';
import type { WrittenQuestion } from './questions-file.ts';

/** An answer, and what the question was understood as; `null` where it means nothing. */
export interface Asked {
  readonly answer: FlowAnswer;
  readonly understood: Question | null;
  readonly diagnostics: readonly Diagnostic[];
}

/** What answers written questions one by one; `file` is where they stand, for what is wrong with them. */
export function asker(
  loaded: Pick<Loaded, 'cluster' | 'program' | 'index' | 'unenforced' | 'caveats'>,
  file: string,
): (written: WrittenQuestion, i: number) => Asked {
  const index = loaded.index();
  const prepared = prepareExplain(loaded.program, factsOf(loaded.cluster));
  return ({ question, line }, i) => {
    const text = (key: string): unknown => (Object.hasOwn(question, key) ? question[key] : undefined);
    const direction = directionOf(text('direction'));
    const protocol = protocolOf(text('protocol'));
    const isIcmp = protocol.ok && (protocol.value === 'ICMP' || protocol.value === 'ICMPv6');
    const port = portOf(isIcmp ? null : text('port'));
    const icmpType = icmpTypeOf(text('icmpType'));
    const src = endOf(text('src'), 'src', index);
    const dst = endOf(text('dst'), 'dst', index);
    const wrong = [src, dst, protocol, port, icmpType, direction].find((part) => !part.ok);
    const misplaced =
      src.ok && dst.ok && port.ok && protocol.ok
        ? (portsApart(src.value, dst.value, port.value) ??
          protocolsApart(dst.value.port?.protocol ?? null, protocol.value))
        : null;
    if (!src.ok || !dst.ok || !protocol.ok || !port.ok || !icmpType.ok || !direction.ok || misplaced !== null) {
      const error =
        misplaced ?? (wrong !== undefined && !wrong.ok ? wrong.error : { message: 'cannot be read', help: '' });
      const diagnostic: Diagnostic = {
        code: SHELL_CODES['bad-question'].code,
        severity: 'error',
        message: `question ${i + 1}: ${error.message}`,
        help: error.help,
        origin: null,
        at: line === null ? { file } : { file, line },
      };
      const verdict = unanswerable(direction.ok ? direction.value : null, error.message);
      return { answer: { question, ...verdict }, understood: null, diagnostics: [diagnostic] };
    }
    const written = dst.value.port;
    const understood: Question = {
      source: src.value.end,
      destination: dst.value.end,
      protocol: protocol.value ?? written?.protocol ?? null,
      port: isIcmp ? null : (port.value ?? written?.port ?? null),
      direction: direction.value,
    };
    const { ports: _, ...known } = answerQuestion(prepared, understood);
    const judged = withoutPods(known, [src.value.end, dst.value.end], loaded.cluster);
    const verdict = withoutEnforcement(judged, loaded.unenforced);
    const unused = isIcmp ? (text('port') ?? written?.port ?? null) : null;
    const caveats = [
      ...verdict.caveats,
      ...(unused === null ? [] : [`ICMP has no ports: port ${JSON.stringify(unused)} is ignored`]),
      ...loaded.caveats,
    ];
    return { answer: { question, ...verdict, caveats }, understood, diagnostics: [] };
  };
}

interface WrittenEnd {
  readonly end: AskedEnd;
  readonly port: PortText | null;
}

function endOf(text: unknown, key: 'src' | 'dst', index: ClusterIndex): Understood<WrittenEnd> {
  if (typeof text !== 'string') {
    const help = 'name an endpoint, e.g. "shop/web" or "10.1.2.3"';
    return { ok: false, error: { message: `\`${key}\` is missing or no text`, help } };
  }
  const found = endpointOf(text, index, true);
  if (!found.ok) return found;
  const { end, written } = found.value;
  return { ok: true, value: { end, port: written.port } };
}

/** What is wrong with ports that are written at the endpoints. */
function portsApart(src: WrittenEnd, dst: WrittenEnd, port: number | string | null): Misunderstood | null {
  if (src.port !== null) {
    return { message: 'the port belongs to the destination', help: 'leave it out at `src`: source ports vary' };
  }
  if (dst.port === null || port === null || dst.port.port === port) return null;
  const message = `\`dst\` says port ${dst.port.port}, \`port\` says ${port}`;
  return { message, help: 'write the port once' };
}
