// Where likeness ends: a slider over the histogram of cosines, and the gap that suggests a place.

import { element } from "./element.js";

const BINS = 60;
const at = (id) => document.getElementById(id);

/**
 * The widest gap between neighbours in the upper half of some cosines, highest first: {above, below},
 * the cosines at its edges, and `count`, how many lie above. Null where there are too few.
 */
export function gap(sorted) {
  let widest = null;
  for (let count = 1; count <= sorted.length / 2; count++) {
    const [above, below] = [sorted[count - 1], sorted[count]];
    if (!widest || above - below > widest.above - widest.below) widest = { above, below, count };
  }
  return sorted.length < 4 ? null : widest;
}

export class Cut {
  /** moved() is called once a reader has moved it. */
  constructor(moved) {
    this.least = null; // the least cosine that is shown, or null for all
    at("cut").oninput = () => {
      this.least = at("cut").value === at("cut").min ? null : Number(at("cut").value);
      moved();
    };
    at("suggest").onclick = () => {
      const { above, below } = this.suggested;
      this.least = (above + below) / 2;
      moved();
    };
  }

  /** How many of some cosines, highest first, are shown. */
  count(sorted) {
    if (this.least === null) return sorted.length;
    const end = sorted.findIndex((cosine) => cosine < this.least);
    return end < 0 ? sorted.length : end;
  }

  /** Draw the histogram of cosines, highest first, and where the cut stands. */
  show(sorted) {
    const [low, high] = [sorted.at(-1), sorted[0]];
    at("cut-box").hidden = !(high > low);
    if (!(high > low)) return;
    this.suggested = gap(sorted);
    draw(sorted, low, high, this.suggested);
    const [least, most] = [Math.floor(low * 1000) / 1000, Math.floor(high * 1000) / 1000];
    Object.assign(at("cut"), { min: least, max: most, value: this.least ?? least });
    at("cut").setAttribute("aria-valuetext", this.words(sorted));
    at("cut-words").textContent = this.words(sorted);
    at("suggest").hidden = !this.suggested;
    if (this.suggested) at("suggest").textContent = suggestion(this.suggested);
  }

  words(sorted) {
    if (this.least === null) return `all ${sorted.length}`;
    return `cosine ${this.least.toFixed(3)} and above: ${this.count(sorted)} of ${sorted.length}`;
  }
}

const suggestion = ({ above, below, count }) =>
  `Only the ${count} above the gap ${short(above)} | ${short(below)}`;
const short = (cosine) => cosine.toFixed(3).replace(/^(-?)0/, "$1");

/** Bars from the lowest to the highest cosine; the gap is a stripe behind them. */
function draw(sorted, low, high, suggested) {
  const counts = new Array(BINS).fill(0);
  const bin = (cosine) => Math.min(BINS - 1, Math.floor(((cosine - low) / (high - low)) * BINS));
  for (const cosine of sorted) counts[bin(cosine)] += 1;
  const tallest = Math.max(...counts);
  const bars = counts.map((count) => {
    const bar = element("span");
    // Few pictures shall be seen beside many.
    bar.style.blockSize = `${100 * Math.sqrt(count / tallest)}%`;
    return bar;
  });
  if (suggested) {
    const mark = element("i");
    mark.style.insetInlineStart = `${(100 * (suggested.below - low)) / (high - low)}%`;
    mark.style.inlineSize = `${(100 * (suggested.above - suggested.below)) / (high - low)}%`;
    bars.push(mark);
  }
  at("histogram").replaceChildren(...bars);
}
