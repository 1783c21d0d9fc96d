// Shares of a whole as a list of bars, the highest first.

import { element } from "./element.js";
import { best } from "./vectors.js";

const SHOWN = 10;

/** The best of [label, share] pairs. */
export function bars(pairs, count = SHOWN) {
  const places = best(pairs.map((pair) => pair[1]), count);
  return element("ol", { className: "bars" }, ...places.map((place) => {
    const [label, share] = pairs[place];
    const row = element("li", {}, element("span", {}, label), element("span", {}, percent(share)));
    row.style.setProperty("--share", share);
    return row;
  }));
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;
