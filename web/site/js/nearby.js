// Thumbnails of what is in view or close to it: as many as a few screens hold, however long the list is.

export class Nearby {
  constructor() {
    this.listed = new Map(); // element → its thumbnail
    this.near = new Set(); // thumbnails
    const margin = { rootMargin: "100% 0px" }; // a screen above and one below
    this.observer = new IntersectionObserver((changes) => this.moved(changes), margin);
  }

  /** From now on the list is of these thumbnails (thumbnail.js). */
  list(pictures) {
    const before = this.listed;
    this.listed = new Map(pictures.map((picture) => [picture.shown, picture]));
    for (const [element, picture] of before) {
      if (this.listed.has(element)) continue;
      this.observer.unobserve(element);
      this.leave(picture);
    }
    for (const element of this.listed.keys()) if (!before.has(element)) this.observer.observe(element);
  }

  moved(changes) {
    for (const { target, isIntersecting } of changes) {
      const picture = this.listed.get(target);
      if (picture && isIntersecting) this.near.add(picture);
      else if (picture) this.leave(picture);
    }
    this.draw();
  }

  leave(picture) {
    this.near.delete(picture);
    picture.release();
  }

  /** One after another, for each is decoded at its full size. */
  async draw() {
    if (this.drawing) return;
    this.drawing = true;
    for (const picture of this.near) { // what comes to be near meanwhile is in it
      await picture.draw();
      if (!this.near.has(picture)) picture.release();
    }
    this.drawing = false;
  }
}
