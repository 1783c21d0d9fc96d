// A picture as the list of results shows it.

import { element } from "./element.js";
import { nameOf } from "./entry.js";
import { thumbnail } from "./thumbnail.js";

export class Tile {
  /** picked(entry) is called for its mark, similar(entry) for more like it, unfold(entry) for those folded into it. */
  constructor(entry, { picked, similar, unfold }) {
    const name = nameOf(entry);
    this.picture = thumbnail(entry);
    this.note = element("span", { className: "times" });
    this.open = element("button", { type: "button", className: "open", "aria-label": `Open ${name}` }, this.picture.shown);
    this.box = element("input", { type: "checkbox", "aria-label": `Select ${name}`, onchange: () => picked(entry) });
    const like = element("button", { type: "button", "aria-label": `Similar to ${name}` }, "Similar");
    like.onclick = () => similar(entry);
    this.folded = element("button", { type: "button", hidden: true, onclick: () => unfold(entry) });
    const row = element("div", { className: "row" }, like, this.box);
    this.item = element("li", {}, this.open, element("span", {}, name), this.note, row, this.folded);
  }

  select(on) {
    this.box.checked = on;
  }

  /** Say its cosine, and how many are folded into it. */
  say(cosine, count) {
    this.note.textContent = `cosine ${cosine.toFixed(3)}`;
    this.folded.hidden = !count;
    this.folded.textContent = `+ ${count} nearly the same`;
  }
}
