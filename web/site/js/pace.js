// How long what is counted up will still take.

const ENOUGH = 3; // to tell from

export class Pace {
  /** Words of what is left of `total` once `done` are: "about 40 s left", or "" as long as nobody can tell. */
  left(done, total, now = performance.now()) {
    // The first one also waits for the model.
    if (!this.start || done <= this.start.first + 1) this.start = { first: this.start?.first ?? done, done, now };
    const counted = done - this.start.done;
    if (counted < ENOUGH || done >= total) return "";
    return `about ${duration(((now - this.start.now) / 1000 / counted) * (total - done))} left`;
  }
}

function duration(seconds) {
  if (seconds < 55) return `${Math.max(5, 5 * Math.round(seconds / 5))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
