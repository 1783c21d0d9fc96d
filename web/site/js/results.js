// What was found: a collection ranked by likeness, cut where a reader wants, in the order of their choice.

import { Cut } from "./cut.js";
import { nameOf } from "./entry.js";
import { fold } from "./fold.js";
import { Lightbox } from "./lightbox.js";
import { Nearby } from "./nearby.js";
import { Selection } from "./selection.js";
import { Tile } from "./tile.js";
import { dot } from "./vectors.js";

const FIRST = 24; // how many are shown before one asks for more
const at = (id) => document.getElementById(id);
const ORDERS = {
  likeness: () => 0, // as they are
  date: (a, b) => b.entry.lastModified - a.entry.lastModified,
  name: (a, b) => nameOf(a.entry).localeCompare(nameOf(b.entry), undefined, { numeric: true }),
};

export class Results {
  /**
   * similar(entry) is called where a reader asks for more like it; about() says what is asked and
   * which files computed it, for who takes results along.
   */
  constructor(similar, about) {
    this.items = new Map(); // entry → its Tile
    this.unfolded = new Set(); // entries whose like are shown, too
    this.acts = {
      similar,
      picked: (entry) => this.selection.toggle(entry),
      unfold: (entry) => {
        this.unfolded.add(entry);
        this.show();
        this.items.get(entry).open.focus();
      },
    };
    this.count = FIRST;
    this.nearby = new Nearby();
    this.ranked = []; // [{entry, cosine}], the closest first
    this.cut = new Cut(() => this.show());
    this.selection = new Selection(() => this.above(), () => this.ranked, about);
    const toggle = (entry) => this.items.get(entry)?.select(this.selection.toggle(entry));
    this.lightbox = new Lightbox(toggle, (entry) => this.selection.has(entry));
    at("more").onclick = () => {
      this.count *= 2;
      this.show();
    };
    // On a phone the pictures come first.
    at("tools").open = matchMedia("(min-width: 40rem)").matches;
    at("sort").onchange = () => this.show();
    at("fold").onchange = () => {
      this.unfolded.clear();
      this.show();
    };
    this.selection.changed = () => {
      for (const [entry, item] of this.items) item.select(this.selection.has(entry));
    };
  }

  get cosines() {
    return this.ranked.map(({ cosine }) => cosine);
  }

  /** Say a line instead of results. */
  announce(text) {
    this.say(text, false);
    this.items = new Map();
    this.list();
    at("more").hidden = at("tools").hidden = true;
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
    if (this.query !== query || this.collection !== collection) this.unfolded.clear();
    if (this.query !== query) {
      this.count = FIRST;
      this.cut.least = null;
    }
    if (this.collection !== collection) this.selection.clear();
    Object.assign(this, { collection, query });
    this.ranked = [...collection.vectors].map(([entry, vector]) => ({ entry, cosine: dot(query.vector, vector) }));
    this.ranked.sort((a, b) => b.cosine - a.cosine);
    this.show();
  }

  /** The same once more is indexed: shown, and not announced again. */
  rankAgain(collection, query) {
    at("results-title").setAttribute("aria-live", "off");
    this.rank(collection, query);
    // Once the browser has told of the change, or not.
    setTimeout(() => at("results-title").setAttribute("aria-live", "polite"), 100);
  }

  above() {
    return this.ranked.slice(0, this.cut.count(this.cosines));
  }

  /** Those above the cut, in the order of the reader's choice. */
  visible() {
    const undated = this.ranked.some(({ entry }) => !entry.lastModified);
    at("sort").querySelector("[value=date]").disabled = undated;
    if (undated && at("sort").value === "date") at("sort").value = "likeness";
    return this.above().sort(ORDERS[at("sort").value]);
  }

  /** Pictures that stay keep their thumbnails and the keyboard's focus. */
  show() {
    const list = this.visible();
    const focused = document.activeElement;
    const some = list.length < this.ranked.length ? `${list.length} ` : "";
    this.say(`${this.query.title}: the closest ${some}of ${this.ranked.length}`, false);
    at("tools").hidden = false;
    this.cut.show(this.cosines);
    this.selection.show();
    const { shown, rest } = this.first(list);
    const before = this.items;
    this.items = new Map(shown.map(({ entry, cosine, folded }, place) => {
      const made = before.get(entry) ?? this.tile(entry);
      made.say(cosine, folded);
      const walked = at("fold").checked ? shown : list;
      made.open.onclick = () => this.lightbox.open(walked, place, (last) => this.items.get(last)?.open.focus());
      return [entry, made];
    }));
    this.list();
    at("more").hidden = !rest;
    if (focused?.isConnected) focused.focus({ preventScroll: true });
  }

  /** {shown, rest}: the first of a list, `folded` with how many nearly the same ones each, and whether more come. */
  first(list) {
    if (!at("fold").checked) return { shown: list.slice(0, this.count), rest: this.count < list.length };
    const found = fold(list, this.collection.vectors, this.count);
    const shown = found.flatMap(({ others, ...one }) =>
      this.unfolded.has(one.entry) ? [one, ...others] : [{ ...one, folded: others.length }]);
    return { shown, rest: found.reduce((sum, { others }) => sum + 1 + others.length, 0) < list.length };
  }

  tile(entry) {
    const made = new Tile(entry, this.acts);
    made.select(this.selection.has(entry));
    return made;
  }

  list() {
    const items = [...this.items.values()];
    at("results").replaceChildren(...items.map(({ item }) => item));
    this.nearby.list(items.map(({ picture }) => picture));
  }
}
