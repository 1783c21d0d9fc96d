// What a screen reader is told of something that changes all the time.

const PAUSE = 5000; // ms between two sentences

export class Spoken {
  /** region: an element with role=status that nobody sees. */
  constructor(region) {
    Object.assign(this, { region, last: -PAUSE, timer: null });
  }

  /** Say it now, or once the pause is over unless something else is said by then. */
  say(text) {
    clearTimeout(this.timer);
    const wait = this.last + PAUSE - performance.now();
    if (wait > 0) {
      this.timer = setTimeout(() => this.say(text), wait);
      return;
    }
    this.last = performance.now();
    this.region.textContent = text;
  }
}
