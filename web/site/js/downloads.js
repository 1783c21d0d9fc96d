// One bar over all files that are on their way, with megabytes and speed.

const PAUSE = 100; // ms between two looks at what has come

export class Downloads {
  /** box holds a progress element and one for the words; it hides while nothing is on its way. */
  constructor(box) {
    this.box = box;
    [this.bar, this.words] = box.children;
    this.forget();
  }

  forget() {
    clearTimeout(this.timer);
    this.timer = null;
    this.files = new Map(); // path → {loaded, total}
    this.box.hidden = true;
  }

  /** What fetching.js reports of a file that comes from a server. */
  hear({ path, loaded, total }) {
    if (!this.files.size) this.began = performance.now();
    this.files.set(path, { loaded, total });
    this.timer ??= setTimeout(() => this.show(), PAUSE);
  }

  show() {
    this.timer = null;
    const sum = (part) => [...this.files.values()].reduce((all, file) => all + file[part], 0);
    const [loaded, total] = [sum("loaded"), sum("total")];
    if (loaded >= total) {
      this.forget();
      return;
    }
    const seconds = (performance.now() - this.began) / 1000;
    this.bar.value = loaded / total;
    this.words.textContent = `${megabytes(loaded)} of ${megabytes(total)} MB, `
      + `${megabytes(loaded / seconds)} MB a second`;
    this.box.hidden = false;
  }
}

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
