// An embedding to look at: a strip of colours, the first numbers in words.

import { element } from "./element.js";

const NUMBERS = 8;

/** A figure with one cell per dimension, from blue (lowest) over grey to orange (highest). */
export function strip(embeds) {
  const columns = Math.min(embeds.length, 64);
  const rows = Math.ceil(embeds.length / columns);
  const canvas = element("canvas", { width: columns, height: rows, className: "strip" });
  canvas.style.aspectRatio = `${columns} / ${rows}`;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${embeds.length} values as colours`);
  const spread = Math.max(...embeds.map(Math.abs));
  const context = canvas.getContext("2d");
  embeds.forEach((value, place) => {
    context.fillStyle = colour(value / spread);
    context.fillRect(place % columns, Math.floor(place / columns), 1, 1);
  });
  const numbers = Array.from(embeds.slice(0, NUMBERS), (value) => value.toFixed(4)).join(", ");
  const caption = element("figcaption", {}, `${embeds.length} numbers: ${numbers}, …`);
  return element("figure", { className: "embedding" }, canvas, caption);
}

/** A colour for −1 … 1. The square root shows small values, as embeddings have a few large ones. */
function colour(share) {
  const strength = Math.sqrt(Math.abs(share));
  const hue = share < 0 ? 220 : 30;
  return `hsl(${hue} ${Math.round(75 * strength)}% ${Math.round(85 - 40 * strength)}%)`;
}
