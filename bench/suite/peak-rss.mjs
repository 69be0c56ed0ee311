// Preloaded into a program to have its peak memory, in KiB, in a file when it ends.
import { writeFileSync } from 'node:fs';

const file = process.env.RAMPART_BENCH_RSS;
if (file !== undefined) process.on('exit', () => writeFileSync(file, String(process.resourceUsage().maxRSS)));
