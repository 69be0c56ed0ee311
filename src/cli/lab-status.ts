import { IoError } from '../io/io-error.ts';
import { writeAnswer } from '../io/terminal.ts';
import { downLab } from '../lab/session.ts';
import { labFolder, labNames, livingProcess } from '../lab/state-folder.ts';
import type { LabPodStatus, LabStatus } from '../lab/status.ts';
import { API_VERSION } from '../report/document.ts';
import { EXIT, type ExitCode, worst } from './exit-code.ts';
import { type LabNameOptions, withLab } from './lab-enter.ts';
import { type Shell, UsageError } from './shell.ts';

export interface LabStatusOptions extends LabNameOptions {
  readonly output: 'text' | 'json';
}

/** `rampart lab status`: of one lab, or of all that are up. */
export async function labStatus(options: LabStatusOptions, shell: Shell): Promise<ExitCode> {
  const names = options.name === undefined ? labNames(shell.env) : [options.name];
  const living = names.filter(
    (name) => options.name !== undefined || livingProcess(labFolder(name, shell.env)) !== null,
  );
  const labs = await Promise.all(living.map((name) => withLab({ name }, shell, (lab) => lab.status())));
  if (options.output === 'json') {
    const document = { apiVersion: API_VERSION, kind: 'LabStatus', labs, diagnostics: [] };
    await writeAnswer(shell.stdout, `${JSON.stringify(document, null, 2)}\n`);
    return EXIT.fine;
  }
  if (labs.length === 0) shell.stderr.write('no lab is up\n  help: rampart lab up -f PATH\n');
  await writeAnswer(shell.stdout, labs.map(labText).join('\n'));
  return worst(...labs.map(({ pods }) => (pods.some(({ state }) => state === 'failed') ? EXIT.failed : EXIT.fine)));
}

function labText(lab: LabStatus): string {
  const nodes = lab.nodes.map(({ name, addresses, podCidrs, agent }) => [
    name,
    addresses.join(','),
    podCidrs.join(','),
    agent.state === 'none' ? 'no agent' : `agent ${agent.state}${agent.detail === '' ? '' : `: ${agent.detail}`}`,
  ]);
  const pods = lab.pods.map((pod) => [pod.id, pod.node, pod.addresses.join(','), stateOf(pod), portsOf(pod)]);
  return [
    `lab ${lab.name} since ${lab.since}, ${lab.cni}, denied packets are ${lab.deny === 'drop' ? 'dropped' : 'rejected'}`,
    `API server: ${lab.apiserver === 'embedded' ? `unix://${lab.folder}/api.sock` : lab.apiserver}`,
    ...(lab.apiserver === 'embedded' ? [`for other commands: --kubeconfig ${lab.folder}/kubeconfig`] : []),
    '',
    ...table([['NODE', 'ADDRESSES', 'POD RANGES', 'STATE'], ...nodes]),
    '',
    ...table([['POD', 'NODE', 'ADDRESSES', 'STATE', 'PORTS'], ...pods]),
    '',
    `outside: ${lab.outside.join(', ')}`,
    '',
  ].join('\n');
}

function stateOf({ state, detail, hostNetwork }: LabPodStatus): string {
  return `${state}${hostNetwork ? ' (host network)' : ''}${detail === '' ? '' : `: ${detail}`}`;
}

function portsOf({ listening, silent }: LabPodStatus): string {
  const open = listening.map(({ protocol, port }) => `${port}/${protocol.toLowerCase()}`);
  const closed = silent.map(({ protocol, port, why }) => `not ${port}/${protocol.toLowerCase()} (${why})`);
  return [...open, ...closed].join(' ');
}

function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

/** `rampart lab down`: twice is fine. */
export async function labDown(options: LabNameOptions & { readonly all?: boolean }, shell: Shell): Promise<ExitCode> {
  if (options.all === true && options.name !== undefined) {
    throw new UsageError('--all and --name exclude each other', 'leave out one of the two');
  }
  const names = options.all === true ? labNames(shell.env) : [options.name ?? 'default'];
  if (names.length === 0) shell.stderr.write('no lab is up\n');
  const failures: IoError[] = [];
  for (const name of names) {
    try {
      const was = await downLab(name, { env: shell.env });
      shell.stderr.write(was ? `the lab \`${name}\` is down\n` : `no lab \`${name}\` is up\n`);
    } catch (error) {
      if (!(error instanceof IoError) || options.all !== true) throw error;
      failures.push(error);
    }
  }
  const [first] = failures;
  if (first !== undefined) throw first;
  return EXIT.fine;
}
