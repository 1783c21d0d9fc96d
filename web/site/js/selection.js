// The results that a reader marked, and the buttons that take them along.

import { download, save } from "./element.js";
import { copy, folders, toCsv, toJson, zip } from "./taking.js";

const at = (id) => document.getElementById(id);

export class Selection {
  /**
   * above() gives [{entry, cosine}] of what is above the cut, all() also what is below; about() is
   * that of results.js.
   */
  constructor(above, all, about) {
    Object.assign(this, { above, all, about, entries: new Set(), changed() {} });
    at("take").textContent = folders ? "Copy to folder…" : "Download as ZIP";
    at("take").onclick = () => this.take();
    at("csv").onclick = () => save("results.csv", toCsv(this.taken()));
    at("json").onclick = () => download("results.json", toJson(this.taken(), this.about()));
    at("select-all").onclick = () => this.set(this.above().map(({ entry }) => entry));
    at("select-none").onclick = () => this.set([]);
  }

  has(entry) {
    return this.entries.has(entry);
  }

  /** Mark it, or not any more: whether it is marked now. */
  toggle(entry) {
    if (!this.entries.delete(entry)) this.entries.add(entry);
    this.show();
    return this.has(entry);
  }

  set(entries) {
    this.entries = new Set(entries);
    this.show();
    this.changed();
  }

  clear() {
    this.entries = new Set();
    at("taken").textContent = "";
  }

  /** What the buttons take: what is marked, or all above the cut where nothing is. */
  taken() {
    return this.entries.size ? this.all().filter(({ entry }) => this.has(entry)) : this.above();
  }

  show() {
    const { size } = this.entries;
    at("selected").textContent = size ? `${size} selected` : `none selected: all ${this.above().length} are taken`;
    at("select-none").hidden = !size;
  }

  async take() {
    const entries = this.taken().map(({ entry }) => entry);
    const say = (text) => { at("taken").textContent = text; };
    at("take").disabled = true;
    try {
      const done = folders ? await copy(entries, say) : await zip(entries);
      if (done) say(done);
    } catch (error) {
      say(error.message);
    }
    at("take").disabled = false;
  }
}
