// Which models there are (index.json), and the files of one in one variant.

/** {base, models}. Throws an Error that says what to do where there is no model. */
export async function load() {
  const base = await address();
  const response = await fetch(new URL("index.json", base)).catch(() => null);
  if (!response?.ok) {
    throw new Error(
      `No models at ${base} (${response?.status ?? "no connection"}). Build the site with "make web", `
      + "or give their address: ?models=… here, or config.json.",
    );
  }
  const { models } = await response.json().catch(() => {
    throw new Error(`${base}index.json is not the list of models that "make web" writes.`);
  });
  if (!models?.length) {
    throw new Error('No model is built yet. "make" builds two small ones; "make web" then shows them.');
  }
  return { base, models };
}

/** ?models=ADDRESS, or that of config.json, which is relative to the page. */
async function address() {
  const given = new URLSearchParams(location.search).get("models");
  const response = given ? null : await fetch("config.json").catch(() => null);
  const configured = response?.ok ? (await response.json().catch(() => ({}))).models : null;
  const folder = given || configured || "models/";
  return new URL(folder.endsWith("/") ? folder : `${folder}/`, document.baseURI).href;
}

/** Variants of a model in which it can embed pictures, as index.json lists them; all if it cannot. */
export function variants(model) {
  const names = [...new Set(model.files.map((file) => file.variant))];
  const able = names.filter((variant) => {
    const { image, visual, preprocess } = entries(model, variant);
    return image || (visual && preprocess);
  });
  return able.length ? able : names;
}

/**
 * What a worker needs, entries of index.json with their `url`:
 * {tokenizer, image?, preprocess?, visual?, textual?, classifier?}.
 */
export function files(base, model, variant, runtime) {
  const url = (path) => new URL(path, base).href;
  const located = { tokenizer: url(model.tokenizer) };
  for (const [graph, file] of Object.entries(entries(model, variant))) {
    if (!file) continue;
    const data = file.data && { ...file.data, url: url(file.data.path) };
    located[graph] = { ...file, url: url(file.path), data };
  }
  // The CPU would run `image`: WebGPU takes the tower.
  if (runtime === "webgpu" && located.visual && located.preprocess) delete located.image;
  if (!located.preprocess) delete located.classifier; // it takes prepared pixels
  return located;
}

/**
 * A model's files in a variant. Where it has no text tower (int8-static) or classifier, that of a
 * close variant stands in; preprocessing is the same in all.
 */
function entries(model, variant) {
  const of = (graph) => model.files.filter((file) => file.graph === graph);
  const exact = (graph) => of(graph).find((file) => file.variant === variant);
  const close = (graph) => exact(graph)
    ?? of(graph).find((file) => file.variant === "int8w") ?? of(graph)[0];
  return {
    image: exact("image"),
    visual: exact("visual"),
    preprocess: close("preprocess"),
    textual: close("textual"),
    classifier: close("classifier"),
  };
}

/** The file whose parity is that of a picture's embedding. */
export const pictureFile = (chosen) => chosen.image ?? chosen.visual;

/** The files that embed a picture, in order. Throws an Error that names the one that is missing. */
export function pictureFiles({ image, preprocess, visual }) {
  if (image) return [image];
  if (preprocess && visual) return [preprocess, visual];
  const missing = visual ? "preprocess.onnx" : "vision_model.onnx";
  throw new Error(`This model cannot embed pictures: its bundle has no ${missing}. "make" builds it.`);
}

/** What makes a picture's embedding what it is: the runtime, and the files by their digests. */
export const origin = ({ runtime, files: chosen }) =>
  [runtime, ...pictureFiles(chosen).map((file) => file.sha256)].join("|");

// Graphs of raw pixels: the library with WebGPU has no Cast of their bytes, on its CPU neither.
const ON_CPU = ["image", "preprocess"];

/** Whether a file runs on the CPU, whatever the runtime's choice is. */
export const onCpu = (file, runtime) => runtime === "wasm" || ON_CPU.includes(file.graph);

/** A file's parity with a note where it says nothing certain of the runtime, or null. */
export function parity(file, runtime) {
  if (!file.parity || onCpu(file, runtime)) return file.parity;
  return { ...file.parity, note: "measured on the CPU, not on WebGPU" };
}
