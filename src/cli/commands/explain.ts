import { Option } from 'commander';
import type { PortText } from '../../cluster/endpoint-text.ts';
import { withoutEnforcement } from '../../engine/enforcement.ts';
import { type AskedEnd, answerQuestion } from '../../engine/explain/answer.ts';
import { prepareExplain } from '../../engine/explain/prepare.ts';
import { factsOf } from '../../engine/match.ts';
import { withoutPods } from '../../engine/unread-pods.ts';
import type { Protocol } from '../../model/match.ts';
import type { Direction } from '../../model/program.ts';
import type { Explanation, FlowQuestion } from '../../report/report.ts';
import { endpointOf, protocolOf, protocolsApart } from '../asking.ts';
import { EXIT, worst } from '../exit-code.ts';
import { explanationParts } from '../explanation-parts.ts';
import { addInputOptions, type InputOptions, type Loaded, load } from '../input-options.ts';
import { addOutputOptions, answer, type OutputOptions } from '../output-options.ts';
import { type CliCommand, UsageError } from '../shell.ts';

const EXAMPLES = `
Examples:
  rampart explain shop/checkout payments/gateway:8080 -f manifests/
  rampart explain shop/web svc/data/postgres:5432 -f manifests/        a Service: its port is translated
  rampart explain 203.0.113.7 svc/shop/web:80 -f manifests/            from outside: which address do policies see?
  rampart explain shop/web kube-system/deploy/coredns:53/udp -f manifests/
  rampart explain shop/web fqdn:api.example.com:443 -f manifests/
  rampart explain shop/web data/postgres -f manifests/                 without a port: every port

Endpoints: namespace/pod, namespace/workload, namespace/kind/name, svc/namespace/name, node/name, an IP address, a CIDR,
fqdn:name. Ports: :443, :53/udp, :http. Exit code 0 if allowed, 2 if denied or undefined.
`;

interface ExplainOptions extends InputOptions, OutputOptions {
  readonly direction?: Direction;
  readonly protocol?: string;
}

export const explain: CliCommand = {
  define(command, run) {
    addOutputOptions(addInputOptions(command), 'Explanation')
      .argument('<source>', 'who connects')
      .argument('<destination>', 'to whom, with :PORT[/PROTOCOL]')
      .addOption(new Option('--direction <end>', 'judge one end only').choices(['egress', 'ingress']))
      .addOption(protocolOption())
      .addHelpText('after', EXAMPLES)
      .action((src: string, dst: string, options: ExplainOptions) =>
        run(async (shell) => {
          const loaded = await load(options, shell);
          const report = explanationOf(loaded, src, dst, options);
          const code = await answer(report, options, shell);
          return worst(code, report.verdict === 'allowed' ? EXIT.fine : EXIT.denied);
        }),
      );
  },
};

/** Takes names in any case, as ports do (`:53/udp`). */
function protocolOption(): Option {
  const option = new Option('--protocol <name>', 'for ICMP').choices(['ICMP', 'ICMPv6', 'TCP', 'UDP', 'SCTP']);
  const strict = option.parseArg;
  return option.argParser((text: string, before: unknown) => {
    const known = protocolOf(text);
    return strict?.(known.ok && known.value !== null ? known.value : text, before);
  });
}

/** The whole story of one question. Throws {@link UsageError} where an endpoint is not known. */
export function explanationOf(
  loaded: Loaded,
  src: string,
  dst: string,
  options: { readonly direction?: Direction; readonly protocol?: string } = {},
): Explanation {
  const source = lookUp(src, loaded);
  const destination = lookUp(dst, loaded);
  if (source.port !== null)
    throw new UsageError(
      'the port belongs to the destination',
      `write it there: ${destination.written}:${source.port.port}`,
    );
  const protocol = (options.protocol ?? destination.port?.protocol ?? null) as Protocol | null;
  const apart = protocolsApart(destination.port?.protocol ?? null, protocol);
  if (apart !== null) throw new UsageError(apart.message, apart.help);
  const port = destination.port?.port ?? null;
  if (port !== null && (protocol === 'ICMP' || protocol === 'ICMPv6')) {
    throw new UsageError(`${protocol} has no ports`, `leave \`:${port}\` out`);
  }
  const question: FlowQuestion = {
    src: src.trim(),
    dst: destination.written,
    // A name's protocol is that of the ports that bear it.
    ...(protocol === null && typeof port !== 'number' ? {} : { protocol: protocol ?? 'TCP' }),
    ...(port === null ? {} : { port }),
    ...(options.direction === undefined ? {} : { direction: options.direction }),
  };
  const prepared = prepareExplain(loaded.program, factsOf(loaded.cluster));
  const asked = {
    source: source.end,
    destination: destination.end,
    protocol,
    port,
    direction: options.direction ?? null,
  };
  const { ports, ...known } = answerQuestion(prepared, asked);
  const judged = withoutPods(known, [source.end, destination.end], loaded.cluster);
  const verdict = withoutEnforcement(judged, loaded.unenforced);
  const parts = judged === known ? explanationParts(prepared, asked, verdict, ports) : { considered: [], fixes: [] };
  return {
    kind: 'Explanation',
    question,
    ...verdict,
    caveats: [...verdict.caveats, ...loaded.caveats],
    ...parts,
    diagnostics: loaded.diagnostics,
  };
}

function lookUp(
  text: string,
  loaded: Loaded,
): { readonly end: AskedEnd; readonly written: string; readonly port: PortText | null } {
  const found = endpointOf(text, loaded.index(), false);
  if (!found.ok) throw new UsageError(found.error.message, found.error.help);
  const { end, written } = found.value;
  // The question names the port by itself.
  const name =
    written.port === null
      ? text.trim()
      : text.trim().replace(/\]?:[^:\]]*$/, (tail) => (tail.startsWith(']') ? ']' : ''));
  return { end, written: name, port: written.port };
}
