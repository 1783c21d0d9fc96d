// ONNX Runtime Web in a worker: sessions by file, opened when they are first needed.

import { onCpu } from "./catalogue.js";
import { fetchFile, Refused } from "./fetching.js";

const LIBRARIES = {
  wasm: { script: "ort.wasm.js", binary: "ort-wasm-simd-threaded.wasm" },
  webgpu: { script: "ort.webgpu.js", binary: "ort-wasm-simd-threaded.asyncify.wasm" },
};
const vendor = (name) => new URL(`../vendor/${name}`, import.meta.url).href;

/**
 * The runtime "wasm" or "webgpu"; `binaries` are the catalogue's libraries, `cache` and `report`
 * fetching.js's, for every file.
 */
export async function start(name, binaries, cache, report) {
  if (name === "webgpu" && !(await navigator.gpu?.requestAdapter())) {
    throw new Error("This browser offers no WebGPU adapter: choose WebAssembly.");
  }
  const threads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;
  const get = (file) => fetchFile(file, cache, report);
  const wasm = await library("wasm", threads, binaries, get);
  const libraries = { wasm, chosen: name === "wasm" ? wasm : await library(name, threads, binaries, get) };
  return new Runtime(libraries, name, threads, get);
}

/** A library, and `ready`, which gives it its binary once: {ort, ready}. */
async function library(name, threads, binaries, get) {
  const { script, binary } = LIBRARIES[name];
  const ort = await import(vendor(script));
  ort.env.logLevel = "error";
  ort.env.wasm.numThreads = threads;
  let given;
  const ready = () => given ??= get(binaries[binary]).then((bytes) => { ort.env.wasm.wasmBinary = bytes; });
  return { ort, ready };
}

class Runtime {
  constructor(libraries, name, threads, get) {
    Object.assign(this, { libraries, name, threads, get, sessions: new Map() });
  }

  tensor(type, data, dims) {
    return new this.libraries.wasm.ort.Tensor(type, data, dims);
  }

  /** The one output of a file for {input: tensor}. */
  async run(file, feeds) {
    const session = await this.session(file);
    return (await session.run(feeds))[session.outputNames[0]];
  }

  session(file) {
    if (!this.sessions.has(file.url)) {
      const opened = this.open(file);
      // So that the next call tries again; a refused file waits for the reader's word.
      opened.catch((error) => error instanceof Refused || this.sessions.delete(file.url));
      this.sessions.set(file.url, opened);
    }
    return this.sessions.get(file.url);
  }

  async open(file) {
    const cpu = onCpu(file, this.name);
    const { ort, ready } = cpu ? this.libraries.wasm : this.libraries.chosen;
    // At once, so that the bar knows of all bytes from the start.
    const [bytes, data] = await Promise.all([this.get(file), file.data && this.get(file.data), ready()]);
    const executionProviders = cpu ? ["wasm"] : ["webgpu", "wasm"];
    const options = { executionProviders, logSeverityLevel: 3 };
    if (data) options.externalData = [{ path: file.data.path.split("/").at(-1), data }];
    try {
      return await ort.InferenceSession.create(bytes, options);
    } catch (error) {
      const reason = String(error.message).split("\n")[0];
      // The library stays broken then, until another worker loads it.
      if (reason.includes("no available backend")) throw new Refused(`The runtime did not start: ${reason}`);
      throw new Error(`${file.path} cannot be run here: ${reason}`);
    }
  }
}
