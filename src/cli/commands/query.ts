import { readPaths } from '../../io/files.ts';
import { progressLine } from '../../io/terminal.ts';
import { asker } from '../answering.ts';
import { EXIT, worst } from '../exit-code.ts';
import { addInputOptions, type InputOptions, load } from '../input-options.ts';
import { addOutputOptions, answer, type OutputOptions } from '../output-options.ts';
import { readQuestions } from '../questions-file.ts';
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
