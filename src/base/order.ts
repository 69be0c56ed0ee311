/** A total order: negative if `a` sorts before `b`, positive if after, 0 if equal. */
export type Order<T> = (a: T, b: T) => number;

/** Orders strings by UTF-16 code unit: the same on every machine and in every locale. */
export const byText: Order<string> = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/** Orders numbers, lower first. */
export const byNumber: Order<number> = (a, b) => a - b;

/** Orders by a derived key. */
export function by<T, K>(key: (item: T) => K, order: Order<K>): Order<T> {
  return (a, b) => order(key(a), key(b));
}

/** Orders by the first of `orders` that tells the two apart. */
export function inTurn<T>(...orders: readonly Order<T>[]): Order<T> {
  return (a, b) => {
    for (const order of orders) {
      const sign = order(a, b);
      if (sign !== 0) return sign;
    }
    return 0;
  };
}
