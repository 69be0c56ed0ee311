import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { pause } from './place.ts';

/** A group of processes with a bound on their memory. */
export interface MemoryGroup {
  /** Puts a process into it, with so many MiB for what it needs from now on; the answer names the means. */
  limit(pid: number, mib: number): string;
  /** How many processes the kernel has ended for it. */
  kills(): number;
  /** After its processes have ended. */
  remove(): Promise<void>;
}

const V1 = '/sys/fs/cgroup/memory';
const V2 = '/sys/fs/cgroup';

/** Makes such a group; `null` where the kernel, or whoever made this container, has no controller for us. */
export function memoryGroup(): MemoryGroup | null {
  const name = `rampart-faults-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  const isOld = existsSync(`${V1}/memory.limit_in_bytes`);
  const folder = `${isOld ? V1 : V2}/${name}`;
  const limitFile = isOld ? 'memory.limit_in_bytes' : 'memory.max';
  const remove = async (): Promise<void> => {
    for (let i = 0; i < 50; i++) {
      try {
        rmdirSync(folder);
        return;
      } catch {
        await pause(20);
      }
    }
  };
  try {
    mkdirSync(folder);
    if (!existsSync(`${folder}/${limitFile}`)) {
      rmdirSync(folder);
      return null;
    }
  } catch {
    return null;
  }
  return {
    limit(pid, mib) {
      writeFileSync(`${folder}/${limitFile}`, `${mib * 1024 * 1024}`);
      writeFileSync(`${folder}/cgroup.procs`, `${pid}`);
      return `${mib} MiB for what it needed from then on, cgroup ${isOld ? 'v1' : 'v2'}`;
    },
    kills() {
      const text = readFileSync(`${folder}/${isOld ? 'memory.oom_control' : 'memory.events'}`, 'utf8');
      return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
    },
    remove,
  };
}
