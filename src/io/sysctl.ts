import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from './child.ts';
import { reasonOf } from './io-error.ts';

const SYSCTLS = '/proc/sys';
const INTERFACES = '/sys/class/net';

/** The value of a sysctl such as `net.ipv4.ip_forward`; `null` if there is none. */
export function readSysctl(name: string): string | null {
  try {
    return readFileSync(join(SYSCTLS, name.replaceAll('.', '/')), 'utf8').trim();
  } catch {
    return null;
  }
}

/** Sets a sysctl; the answer says why that was not possible, `null` if it was. */
export function writeSysctl(name: string, value: string): string | null {
  try {
    writeFileSync(join(SYSCTLS, name.replaceAll('.', '/')), value);
    return null;
  } catch (error) {
    return reasonOf(error);
  }
}

/** Loads a kernel module; the answer says why that was not possible, `null` if it was. */
export async function loadModule(name: string): Promise<string | null> {
  const done = await runProgram('modprobe', [name]);
  if (done === null) return '`modprobe` is not there';
  return done.code === 0 ? null : (done.stderr.split('\n', 1)[0] ?? `code ${done.code}`);
}

/**
 * The bridges of this network namespace that have ports; `null` where that cannot be told, because what is mounted at
 * /sys shows another network namespace.
 */
export function bridgesWithPorts(): readonly string[] | null {
  try {
    const present = new Set(
      readFileSync('/proc/net/dev', 'utf8')
        .split('\n')
        .slice(2)
        .flatMap((line) => line.split(':', 1)[0]?.trim() || []),
    );
    const shown = readdirSync(INTERFACES).filter((name) => existsSync(join(INTERFACES, name, 'ifindex')));
    if (shown.length !== present.size || shown.some((name) => !present.has(name))) return null;
    return shown.filter((name) => {
      const ports = join(INTERFACES, name, 'brif');
      return existsSync(ports) && readdirSync(ports).length > 0;
    });
  } catch {
    return null;
  }
}

const CAP_NET_ADMIN = 12n;

/** Whether this process may change the network; `null` where that cannot be told. */
export function mayChangeNetwork(): boolean | null {
  try {
    const found = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    return found === undefined ? null : ((BigInt(`0x${found}`) >> CAP_NET_ADMIN) & 1n) === 1n;
  } catch {
    return null;
  }
}
