/** What is known of a condition: `maybe` is for a missing fact. */
export type Truth = 'yes' | 'no' | 'maybe';

export function truth(known: boolean): Truth {
  return known ? 'yes' : 'no';
}

export function not(a: Truth): Truth {
  return a === 'yes' ? 'no' : a === 'no' ? 'yes' : 'maybe';
}

/** `yes` if all are, `no` if one is not, else `maybe`. */
export function all(parts: Iterable<Truth>): Truth {
  let out: Truth = 'yes';
  for (const part of parts) {
    if (part === 'no') return 'no';
    if (part === 'maybe') out = 'maybe';
  }
  return out;
}

/** `yes` if one is, `no` if none is, else `maybe`. */
export function any(parts: Iterable<Truth>): Truth {
  let out: Truth = 'no';
  for (const part of parts) {
    if (part === 'yes') return 'yes';
    if (part === 'maybe') out = 'maybe';
  }
  return out;
}
