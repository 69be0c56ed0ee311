// What a large cluster costs agents and the API server: `npm run scale [-- --nodes 1000 --pods 10000 --followers 0,1,10,30,100 --seconds 30 --rate 50]`.
// A real control plane with simulated nodes and pods; docs/design/scale.md says what the figures mean. `--kwok` has kwok run the pods, `--small` gives
// them few fields, so that 100,000 fit into 16 GiB; `--keep` leaves the cluster, `--reuse` takes one that was left.
// @ts-check
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openClient } from '../src/io/kube-client.ts';
import { connect } from '../src/io/kubeconfig.ts';
import { cache, env, kube, kubeconfig, run, say, serverMemory, tell, tool, top, values } from './scale/cluster.mjs';
import { agentOnce, agentSteady, followOnce } from './scale/follower.mjs';
import { measureFollowers, measureLists } from './scale/load.mjs';
import { fill } from './scale/workload.mjs';

async function main() {
  if (!existsSync(tool) || !existsSync(join(cache, 'bin/kube-apiserver'))) {
    say(`skipped: no control plane: ${tool} (RAMPART_SHARED) and \`kube build control-plane\` are needed`);
    return;
  }
  await run(join(top, 'rampart'), ['--version']);
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => {
      if (!values.keep) kube('down');
      process.exit(130);
    });
  }
  if (!values.reuse) kube('up');
  try {
    const client = openClient(await connect({ kubeconfig }, {}));
    if (!values.reuse) await fill(client);
    await sleep(5000);
    tell('server', await serverMemory(client));
    for (const row of await measureLists()) tell('list', row);
    const child = [fileURLToPath(import.meta.url), '--follow'];
    const follower = JSON.parse((await run(process.execPath, child, { ...process.env, ...env })).out);
    const { watched, ...told } = follower;
    tell('follower', told);
    tell('watches', watched);
    tell('agent --once --dry-run', await agentOnce());
    if (process.getuid?.() === 0) tell('agent', await agentSteady(client));
    else say('skipped: an agent with a kernel table of its own needs root');
    await measureFollowers(client, watched);
    client.close();
  } finally {
    if (!values.keep) kube('down');
  }
}

await (values.follow ? followOnce() : main());
