// A model in ONNX Runtime Web, in a page.
//
// The page's address has ?provider=wasm or webgpu, and ?threads=N.

import { answering, rowByRow } from "./job.mjs";

const DIST = new URL("./node_modules/onnxruntime-web/dist/", import.meta.url).href;

const TYPES = new Map([
  [Float32Array, "float32"],
  [Int32Array, "int32"],
  [BigInt64Array, "int64"],
  [Uint8Array, "uint8"],
]);

const settings = new URLSearchParams(location.search);
const provider = settings.get("provider");
// The build with WebGPU lacks double precision on the processor, which `image` computes in.
const ort = await import(`${DIST}ort.${provider}.bundle.min.mjs`);
ort.env.wasm.wasmPaths = DIST;
ort.env.wasm.numThreads = Number(settings.get("threads"));
ort.env.logLevel = "error";

let last = { model: null, session: null }; // pictures of one model come one by one

async function session({ model }) {
  if (last.model !== model) {
    await last.session?.release();
    last = { model: null, session: null };
    const loaded = await ort.InferenceSession.create(model, { executionProviders: [provider] });
    last = { model, session: loaded };
  }
  return last.session;
}

async function once(loaded, feeds) {
  const given = Object.entries(feeds).map(([name, { shape, data }]) => [
    name,
    new ort.Tensor(TYPES.get(data.constructor), data, shape),
  ]);
  const found = await loaded.run(Object.fromEntries(given));
  return Object.fromEntries(
    Object.entries(found).map(([name, { dims, data }]) => [name, { shape: dims, data }]),
  );
}

async function all(loaded, feeds) {
  const single = loaded.inputMetadata[0].shape[0] === 1;
  return single ? rowByRow(feeds, (given) => once(loaded, given)) : once(loaded, feeds);
}

// The same function, which says plainly what an adapter lacks.
function plainly(work) {
  return async (...given) => {
    try {
      return await work(...given);
    } catch (error) {
      if (!String(error).includes("requires f16")) throw error;
      throw "not available: the WebGPU adapter has no half precision (shader-f16)";
    }
  };
}

export const run = answering(plainly(session), plainly(all));

// Why nothing can run in this page, or null.
export async function missing() {
  if (provider === "webgpu" && !(await navigator.gpu?.requestAdapter())) {
    return "not available: the browser offers no WebGPU adapter";
  }
  if (ort.env.wasm.numThreads > 1 && !globalThis.crossOriginIsolated) {
    return "not available: the page is not cross-origin isolated";
  }
  return null;
}
