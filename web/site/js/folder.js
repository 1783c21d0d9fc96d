// The pictures of an opened folder: which they are, and their embeddings, computed or remembered.

import { nameOf } from "./entry.js";
import * as store from "./store.js";
import { normalize } from "./vectors.js";

const AHEAD = 2; // pictures that the worker has: one in the model, one that is being decoded
const BATCH = 8; // embeddings per write to the store
const PICTURES = /\.(avif|bmp|gif|heic|heif|ico|jfif|jpe?g|png|svgz?|webp)$/i;
// What macOS puts beside files: no pictures, though they are named so.
const COMPANION = /(^|\/)(__MACOSX\/|\._)/;
const ADVICE = [
  [/\.hei[cf]$/i, "HEIC, which this browser cannot read: convert it to JPEG"],
  [/\.svgz?$/i, "SVG has no pixels: export it as PNG"],
];

export class Folder {
  /** files: all that the folder holds; `other` counts those that are no pictures. */
  constructor(files, unread) {
    this.pictures = [];
    this.other = this.unread = 0;
    this.forgetModel();
    this.add(files, unread);
  }

  /** Take another folder's files in, but for those that are there already; `unread` more could not be read. */
  add(files, unread = 0) {
    const known = new Set(this.pictures.map(same));
    const fresh = [...files].filter((file) => !known.has(same(file)));
    const pictures = fresh.filter(isPicture);
    this.unread += unread;
    this.pictures = [...this.pictures, ...pictures];
    this.other += fresh.length - pictures.length;
  }

  /** Before another model indexes the folder. */
  forgetModel() {
    this.vectors = new Map(); // File → unit vector
    this.failed = new Map(); // File → reason
    this.remembered = 0;
  }

  get done() {
    return this.vectors.size + this.failed.size;
  }

  get missing() {
    return this.pictures.filter((file) => !this.vectors.has(file) && !this.failed.has(file));
  }

  /** What became of its pictures, in a line. */
  summary() {
    const { pictures, vectors, remembered, missing, failed, other, unread } = this;
    if (pictures.length === 0) return `No pictures in this folder; other files: ${other}.`;
    return [
      `${vectors.size} of ${pictures.length} pictures indexed`,
      remembered && `${remembered} of them remembered`,
      missing.length && `${missing.length} to go`,
      failed.size && `${failed.size} could not be embedded`,
      unread && `${unread} could not be read`,
      other && `${other} other ${other === 1 ? "file" : "files"} ignored`,
    ].filter(Boolean).join(", ") + ".";
  }

  /**
   * Embed what is missing with an engine, whose embeddings are of an `origin` (catalogue.js).
   * `report` is called after each picture. Ends early once run.ended, with the pictures under way, and once
   * run.replaced without them; a later call goes on from there.
   */
  async index(engine, origin, orient, run, report) {
    const key = (file) => store.key(file, origin, orient);
    await this.remember(key, run);
    if (run.ended) return;
    report();
    const files = this.missing.values(); // all that is under way takes from here
    const unsaved = [];
    const save = (least) => {
      if (unsaved.length < least) return null;
      return store.put(unsaved.splice(0)).catch(() => {});
    };
    const embed = async () => {
      for (const file of files) {
        const result = await engine.request("indexed", { blob: file, orient });
        if (run.replaced) return;
        this.settle(file, result);
        if (this.vectors.has(file)) unsaved.push([key(file), this.vectors.get(file)]);
        report();
        await save(BATCH);
        if (run.ended) return;
      }
    };
    await Promise.all(Array.from({ length: AHEAD }, embed)).finally(() => save(1));
  }

  /** Take what the store has. Without a store (a private window) there is nothing. */
  async remember(key, run) {
    const files = this.missing;
    const found = await store.get(files.map(key)).catch(() => new Map());
    if (run.ended) return; // they may be another model's by now
    for (const file of files) {
      const vector = found.get(key(file));
      if (vector) this.vectors.set(file, vector);
    }
    this.remembered += found.size;
  }

  settle(file, { embeds, error }) {
    if (error) this.failed.set(file, ADVICE.find(([names]) => names.test(file.name))?.[1] ?? error);
    else this.vectors.set(file, normalize(embeds));
  }
}

const same = (file) => `${nameOf(file)}|${file.size}|${file.lastModified}`;

function isPicture(file) {
  if (COMPANION.test(nameOf(file))) return false;
  return file.type.startsWith("image/") || PICTURES.test(file.name);
}
