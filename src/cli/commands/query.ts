import type { ClusterIndex } from '../../cluster/cluster-index.ts';
import type { PortText } from '../../cluster/endpoint-text.ts';
import { withoutEnforcement } from '../../engine/enforcement.ts';
import { type AskedEnd, answerQuestion, unanswerable } from '../../engine/explain/answer.ts';
import { prepareExplain } from '../../engine/explain/prepare.ts';
import { factsOf } from '../../engine/match.ts';
import { withoutPods } from '../../engine/unread-pods.ts';
import { readPaths } from '../../io/files.ts';
import { progressLine } from '../../io/terminal.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { FlowAnswer } from '../../report/report.ts';
import {
  directionOf,
  endpointOf,
  icmpTypeOf,
  type Misunderstood,
  portOf,
  protocolOf,
  protocolsApart,
  type Understood,
} from '../asking.ts';
import { SHELL_CODES } from '../codes.ts';
import { EXIT, worst } from '../exit-code.ts';
import { addInputOptions, type InputOptions, type Loaded, load } from '../input-options.ts';
import { addOutputOptions, answer, type OutputOptions } from '../output-options.ts';
import { readQuestions, type WrittenQuestion } from '../questions-file.ts';
import { type CliCommand, UsageError } from '../shell.ts';

const EXAMPLES = `
Examples:
  rampart query -f manifests/ --flows flows.yaml
  echo '{"src": "shop/web", "dst": "data/postgres:5432"}' | rampart query -f manifests/ --flows - -o json

FILE is a JSON array, JSON Lines or YAML, of questions
  {"src", "dst", "protocol": "TCP|UDP|SCTP|ICMP|ICMPv6", "port": 443, "icmpType"?: 8, "direction"?: "egress|ingress"}
An endpoint is namespace/pod, namespace/workload, namespace/kind/name, svc/namespace/name, node/name, an IP address,
a CIDR, fqdn:name; the port may also stand there: shop/web:443, kube-system/coredns:53/udp.
A question that cannot be answered is "undefined" with the reason; the others go on, and the exit code is 1.
`;

export const query: CliCommand = {
  define(command, run) {
    addOutputOptions(addInputOptions(command), 'QueryReport')
      .requiredOption('--flows <file>', 'the questions: a file, or - for stdin')
      .addHelpText('after', EXAMPLES)
      .action((options: InputOptions & OutputOptions & { readonly flows: string }) =>
        run(async (shell) => {
          if (options.flows === '-' && options.filename?.includes('-') === true) {
            throw new UsageError('questions and manifests are both stdin', 'write one of them to a file first');
          }
          const files = await readPaths([options.flows], { stdin: shell.stdin });
          const questions = files.flatMap(({ file, bytes }) => readQuestions(new TextDecoder().decode(bytes), file));
          const loaded = await load(options, shell);
          const progress = progressLine(shell.stderr, options.quiet !== true);
          const ask = asker(loaded, options.flows);
          const asked = questions.map((question, i) => {
            if (i % 1000 === 999) progress.show(`answered ${i + 1} of ${questions.length}`);
            return ask(question, i);
          });
          progress.clear();
          const diagnostics = asked.flatMap((one) => one.diagnostics);
          const flows = asked.map((one) => one.answer);
          const code = await answer(
            { kind: 'QueryReport', flows, diagnostics: [...loaded.diagnostics, ...diagnostics] },
            options,
            shell,
          );
          return worst(code, diagnostics.length > 0 ? EXIT.failed : EXIT.fine);
        }),
      );
  },
};

interface Asked {
  readonly answer: FlowAnswer;
  readonly diagnostics: readonly Diagnostic[];
}

function asker(loaded: Loaded, file: string): (written: WrittenQuestion, i: number) => Asked {
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
      return { answer: { question, ...verdict }, diagnostics: [diagnostic] };
    }
    const written = dst.value.port;
    const { ports: _, ...known } = answerQuestion(prepared, {
      source: src.value.end,
      destination: dst.value.end,
      protocol: protocol.value ?? written?.protocol ?? null,
      port: isIcmp ? null : (port.value ?? written?.port ?? null),
      direction: direction.value,
    });
    const judged = withoutPods(known, [src.value.end, dst.value.end], loaded.cluster);
    const verdict = withoutEnforcement(judged, loaded.unenforced);
    const unused = isIcmp ? (text('port') ?? written?.port ?? null) : null;
    const caveats = [
      ...verdict.caveats,
      ...(unused === null ? [] : [`ICMP has no ports: port ${JSON.stringify(unused)} is ignored`]),
      ...loaded.caveats,
    ];
    return { answer: { question, ...verdict, caveats }, diagnostics: [] };
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
