/** Hands out numbers, smallest first; numbers that were given back come again. */
export class Numbers {
  readonly #first: number;
  readonly #last: number;
  readonly #taken = new Set<number>();
  readonly #free: number[] = [];
  #next: number;

  constructor(first: number, last: number) {
    this.#first = first;
    this.#last = last;
    this.#next = first;
  }

  /** `wanted` if it is free, else any; `null` when none is left. */
  take(wanted: number | null): number | null {
    if (wanted !== null && wanted >= this.#first && wanted <= this.#last && !this.#taken.has(wanted)) {
      this.#taken.add(wanted);
      return wanted;
    }
    while (this.#free.length > 0) {
      const number = this.#free.pop() as number;
      if (this.#taken.has(number)) continue;
      this.#taken.add(number);
      return number;
    }
    while (this.#next <= this.#last && this.#taken.has(this.#next)) this.#next++;
    if (this.#next > this.#last) return null;
    this.#taken.add(this.#next);
    return this.#next++;
  }

  giveBack(number: number): void {
    if (this.#taken.delete(number)) this.#free.push(number);
  }
}
