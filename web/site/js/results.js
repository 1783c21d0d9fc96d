// The list of what was found: the closest pictures of a collection, each with its cosine.

import { nameOf } from "./entry.js";
import { element } from "./element.js";
import { thumbnail } from "./thumbnail.js";
import { best, dot } from "./vectors.js";

const PAGE = 24;
const at = (id) => document.getElementById(id);

export class Results {
  /** similar(picture) is called where a reader asks for more like it. */
  constructor(similar) {
    this.similar = similar;
    this.items = new Map(); // picture → what shows it
    this.count = PAGE;
    at("more").onclick = () => {
      this.count += PAGE;
      this.show();
    };
  }

  /** Say a line instead of results. */
  announce(text) {
    this.say(text, false);
    at("results").replaceChildren();
    at("more").hidden = true;
  }

  /** Say what is looked for; earlier results stay as long, faded. */
  wait(text) {
    this.say(text, true);
  }

  say(text, busy) {
    at("results-title").hidden = !text;
    at("results-title").textContent = text;
    at("results").setAttribute("aria-busy", busy);
  }

  /** Rank a collection {vectors} for a query {title, vector}, from the start if the query is new. */
  rank(collection, query) {
    if (this.query !== query) this.count = PAGE;
    Object.assign(this, { collection, query });
    this.show();
  }

  /** Pictures that stay keep their thumbnails and the keyboard's focus. */
  show() {
    const { query, collection: { vectors } } = this;
    const pictures = [...vectors.keys()];
    const cosines = pictures.map((picture) => dot(query.vector, vectors.get(picture)));
    const focused = document.activeElement;
    this.say(`${query.title}: the closest of ${pictures.length}`, false);
    const before = this.items;
    this.items = new Map(best(cosines, this.count).map((place) => {
      const made = before.get(pictures[place]) ?? this.item(pictures[place]);
      made.note.textContent = `cosine ${cosines[place].toFixed(3)}`;
      return [pictures[place], made];
    }));
    at("results").replaceChildren(...[...this.items.values()].map(({ item }) => item));
    at("more").hidden = this.count >= pictures.length;
    if (focused?.isConnected) focused.focus({ preventScroll: true });
    this.draw();
  }

  /** A picture as the list shows it: {item, note, picture}, the last its thumbnail. */
  item(entry) {
    const name = nameOf(entry);
    const picture = thumbnail(entry, name);
    const note = element("span", { className: "times" });
    const similar = element("button", { type: "button", "aria-label": `Similar to ${name}` }, "Similar");
    similar.onclick = () => this.similar(entry);
    const item = element("li", {}, picture.shown, element("span", {}, name), note, similar);
    return { item, note, picture };
  }

  /** One after another, as each is decoded at its full size, until other results are shown. */
  async draw() {
    const wanted = this.items;
    for (const { picture } of wanted.values()) {
      if (this.items !== wanted) return;
      await picture.draw();
    }
  }
}
