// Pictures that are nearly the same, shown as one: a series of shots, or a copy in another size.

import { dot } from "./vectors.js";

/** The cosine from which on two pictures are nearly the same. */
export const SAME = 0.97;
const BACK = 500; // what comes nearly the same ranks close by: more is not looked through

/**
 * The first `count` of a list [{entry, cosine}] that are like none before them, each with `others`:
 * those after it that are nearly the same, as far as the list was looked through.
 */
export function fold(list, vectors, count) {
  const found = [];
  for (const one of list) {
    const vector = vectors.get(one.entry);
    const first = found.slice(-BACK).find(({ entry }) => dot(vectors.get(entry), vector) >= SAME);
    if (first) first.others.push(one);
    else if (found.length === count) break;
    else found.push({ ...one, others: [] });
  }
  return found;
}
