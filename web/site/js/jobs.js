// The order in which the worker does what it is asked: what somebody waits for goes before the rest.

export class Jobs {
  /** run(job) does one and does not fail; the next one starts when it is done. */
  constructor(run) {
    Object.assign(this, { run, first: [], later: [], running: false });
  }

  /** One that somebody waits for. */
  add(job) {
    this.first.push(job);
    this.work();
  }

  /** One that has time. */
  addLater(job) {
    this.later.push(job);
    this.work();
  }

  async work() {
    if (this.running) return;
    this.running = true;
    for (let job; (job = this.first.shift() ?? this.later.shift());) {
      await this.run(job);
      await heard(); // what came while the model ran
    }
    this.running = false;
  }
}

const { port1, port2 } = new MessageChannel(); // setTimeout waits for 4 ms

const heard = () => new Promise((resolve) => {
  port1.onmessage = resolve;
  port2.postMessage(null);
});
