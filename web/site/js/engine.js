// The page's side of the worker: requests as promises, one worker per choice of model and runtime.

import { clean } from "./cleaning.js";

export class Engine {
  /**
   * cache is fetch's for the files; report hears {path, loaded, total} while they are fetched, and
   * refused an Error about one that cannot be had or is not what it should be.
   */
  constructor(files, runtime, cache, { report, refused }) {
    this.refused = refused;
    this.cleaned = files.cleaned;
    this.pending = new Map();
    this.number = 0;
    this.worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => (data.progress ? report(data.progress) : this.settle(data));
    this.worker.onerror = (event) => {
      this.fail(new Error(event.message || "the worker's script could not be loaded"));
    };
    /** Settles once the runtime has started, with {threads}. */
    this.started = this.send("start", { files, runtime, cache });
  }

  /** One of worker.js's tasks, once the runtime has started; Unready if it does not. */
  async request(task, content) {
    await this.started.catch((error) => {
      throw error instanceof Replaced ? error : new Unready("The runtime did not start.");
    });
    return this.send(task, content);
  }

  /** What worker.js makes of texts: {rows, times}. */
  texts(texts) {
    return this.request("texts", { texts: this.cleaned ? texts.map(clean) : texts });
  }

  send(task, content) {
    if (this.failure) return Promise.reject(this.failure);
    const id = ++this.number;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
      this.worker.postMessage({ id, task, ...content });
    });
  }

  settle({ id, result, error, refused }) {
    const { resolve, reject } = this.pending.get(id);
    this.pending.delete(id);
    if (refused) {
      this.refused(new Error(error));
      reject(new Unready("The model could not be loaded."));
    } else if (error) reject(new Error(error));
    else resolve(result);
  }

  /** Reject what is under way, and all that comes. */
  fail(error) {
    this.failure = error;
    for (const { reject } of this.pending.values()) reject(error);
    this.pending.clear();
  }

  /** End the worker; whatever is under way is rejected as Replaced. */
  close() {
    this.worker.onmessage = null; // what it said before counts no more
    this.worker.terminate();
    this.fail(new Replaced());
  }
}

/** The runtime or the model is not there. The header says why; pages need not repeat it. */
export class Unready extends Error {}

/** The model was changed while a request was under way: nothing that a reader needs to see. */
export class Replaced extends Error {}
