/**
 * A growing set of class numbers: a bit set over the window of words in use. Classes of one namespace have neighbouring
 * numbers, so the sets of namespaced selectors stay small however many classes there are.
 */
export class ClassSet {
  #base = 0;
  #words: Uint32Array = new Uint32Array(0);
  size = 0;

  has(member: number): boolean {
    const word = (member >>> 5) - this.#base;
    return word >= 0 && word < this.#words.length && ((this.#words[word] as number) & (1 << (member & 31))) !== 0;
  }

  add(member: number): void {
    const word = member >>> 5;
    if (this.#words.length === 0) {
      this.#base = word;
      this.#words = new Uint32Array(1);
    } else if (word < this.#base) {
      const grown = new Uint32Array(this.#words.length + this.#base - word);
      grown.set(this.#words, this.#base - word);
      this.#base = word;
      this.#words = grown;
    } else if (word >= this.#base + this.#words.length) {
      const needed = word - this.#base + 1;
      const grown = new Uint32Array(
        needed <= 4 ? needed : Math.max(needed, this.#words.length + (this.#words.length >> 1)),
      );
      grown.set(this.#words);
      this.#words = grown;
    }
    const bit = 1 << (member & 31);
    const at = word - this.#base;
    if (((this.#words[at] as number) & bit) === 0) {
      this.#words[at] = (this.#words[at] as number) | bit;
      this.size++;
    }
  }

  forEach(visit: (member: number) => void): void {
    for (let i = 0; i < this.#words.length; i++) {
      let word = this.#words[i] as number;
      while (word !== 0) {
        const bit = 31 - Math.clz32(word & -word);
        visit(((this.#base + i) << 5) + bit);
        word &= word - 1;
      }
    }
  }
}
