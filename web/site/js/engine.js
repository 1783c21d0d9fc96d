// The page's side of the worker: requests as promises, one worker per choice of model and runtime.

export class Engine {
  /** report hears {path, loaded, total} while files are fetched. */
  constructor(files, runtime, report) {
    this.pending = new Map();
    this.number = 0;
    this.worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => (data.progress ? report(data.progress) : this.settle(data));
    this.worker.onerror = (event) => {
      this.fail(event.message || "the worker's script could not be loaded");
    };
    /** Settles once the runtime has started, with {threads}. */
    this.started = this.send("start", { files, runtime });
  }

  /** One of worker.js's tasks, once the runtime has started. */
  async request(task, content) {
    await this.started;
    return this.send(task, content);
  }

  send(task, content) {
    if (this.failure) return Promise.reject(new Error(this.failure));
    const id = ++this.number;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
      this.worker.postMessage({ id, task, ...content });
    });
  }

  settle({ id, result, error }) {
    const { resolve, reject } = this.pending.get(id);
    this.pending.delete(id);
    if (error) reject(new Error(error));
    else resolve(result);
  }

  fail(message) {
    this.failure = message;
    for (const { reject } of this.pending.values()) reject(new Error(message));
    this.pending.clear();
  }

  /** End the worker; whatever is under way is rejected as Replaced. */
  close() {
    this.worker.terminate();
    for (const { reject } of this.pending.values()) reject(new Replaced());
    this.pending.clear();
    this.failure = "replaced";
  }
}

/** The model was changed while a request was under way: nothing that a reader needs to see. */
export class Replaced extends Error {}
