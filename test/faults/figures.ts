import { appendFileSync } from 'node:fs';

/** Says what was measured; `RAMPART_FAULT_FIGURES` names a file that gets it as well. */
export function figures(row: string, measured: Readonly<Record<string, unknown>>): void {
  const line = `${row}: ${JSON.stringify(measured)}`;
  console.log(line);
  const file = process.env.RAMPART_FAULT_FIGURES;
  if (file !== undefined) appendFileSync(file, `${line}\n`);
}
