// A result at its full size, and from there to the next one by the arrow keys.

import { blobOf, nameOf } from "./entry.js";

const at = (id) => document.getElementById(id);

export class Lightbox {
  /** select(entry) turns its selection on or off; selected(entry) tells which it is. */
  constructor(select, selected) {
    Object.assign(this, { select, selected, dialog: at("lightbox") });
    this.dialog.onkeydown = (event) => this.key(event);
    this.dialog.onclose = () => this.close();
    at("earlier").onclick = () => this.move(-1);
    at("later").onclick = () => this.move(1);
    at("close").onclick = () => this.dialog.close();
    at("pick").onclick = () => {
      this.select(this.shown.entry);
      this.tell();
    };
  }

  /** Open at a place of [{entry, cosine}]. left(entry) is called with the last one that was shown. */
  open(list, place, left) {
    Object.assign(this, { list, place, left });
    this.dialog.showModal();
    this.show();
  }

  get shown() {
    return this.list[this.place];
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    this.move(step);
  }

  move(step) {
    const next = this.place + step;
    if (next < 0 || next >= this.list.length) return;
    this.place = next;
    this.show();
  }

  async show() {
    const { entry, cosine } = this.shown;
    const name = nameOf(entry);
    at("caption").textContent = `${name} · cosine ${cosine.toFixed(3)} · ${this.place + 1} of ${this.list.length}`;
    // Not disabled, for that would take the keyboard's focus out of the box.
    at("earlier").setAttribute("aria-disabled", this.place === 0);
    at("later").setAttribute("aria-disabled", this.place === this.list.length - 1);
    this.tell();
    const blob = await blobOf(entry).catch(() => null);
    if (this.shown?.entry !== entry) return;
    this.release();
    this.address = blob && URL.createObjectURL(blob);
    at("full").alt = blob ? name : `${name} could not be loaded`;
    at("full").src = this.address ?? "data:,";
  }

  tell() {
    at("pick").setAttribute("aria-pressed", this.selected(this.shown.entry));
  }

  release() {
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = null;
  }

  /** Give the memory back. */
  close() {
    const { entry } = this.shown;
    this.list = [];
    this.release();
    at("full").removeAttribute("src");
    this.left(entry);
  }
}
