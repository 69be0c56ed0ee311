/** Raised when Rampart itself is wrong: never for user data, never for the outside world. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/** Holds after the call: `condition` is true. Throws {@link InvariantError} otherwise, which means a bug in Rampart. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** Marks a place that exhaustive matching makes unreachable; the compiler checks that `value` is `never`. */
export function unreachable(value: never): never {
  throw new InvariantError(`unreachable: ${JSON.stringify(value)}`);
}
