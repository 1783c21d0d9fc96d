// Which models there are (index.json), and the files of one in one variant.

/**
 * {base, elsewhere, models, libraries}: index.json's models, whether they lie elsewhere than with the
 * pages, and the libraries' files by name. Throws an Error that says what to do where there is no model.
 */
export async function load() {
  const [{ base, elsewhere }, libraries] = await Promise.all([address(), loadLibraries()]);
  const response = await fetch(new URL("index.json", base), { cache: "no-cache" }).catch(() => null);
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
  if (!models.every(({ tokenizer, files }) => Array.isArray(tokenizer) && Array.isArray(files))) {
    throw new Error(`${base}index.json is of another version of these pages: build it with "make web".`);
  }
  return { base, elsewhere, models, libraries };
}

/** {name: FILE} of what vendor/ holds in WebAssembly, with their `url`. */
async function loadLibraries() {
  const place = new URL("../vendor/index.json", import.meta.url);
  const response = await fetch(place, { cache: "no-cache" }).catch(() => null);
  const listed = response?.ok ? await response.json().catch(() => null) : null;
  if (!listed) throw new Error(`${place} cannot be read: the pages are not all there, or there is no connection.`);
  return Object.fromEntries(listed.map((file) => [file.path, { ...file, url: new URL(file.path, place).href }]));
}

/** ?models=ADDRESS, or that of config.json, which is relative to the page: {base, elsewhere}. */
async function address() {
  const given = new URLSearchParams(location.search).get("models");
  const folder = given || (await configured()).models || "models/";
  const base = new URL(folder.endsWith("/") ? folder : `${folder}/`, document.baseURI).href;
  return { base, elsewhere: Boolean(given) };
}

/** What config.json says, {models, source}; {} where it says nothing. */
export async function configured() {
  const response = await fetch("config.json").catch(() => null);
  return response?.ok ? response.json().catch(() => ({})) : {};
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
 * {side, resize, mean, std, cleaned, tokenizer, image?, preprocess?, visual?, textual?, classifier?}.
 */
export function files(base, model, variant, runtime) {
  const located = (file) => file && { ...file, url: new URL(file.path, base).href, data: located(file.data) };
  const { side, resize, mean, std, cleaned } = model;
  const chosen = { side, resize, mean, std, cleaned, tokenizer: model.tokenizer.map(located) };
  for (const [graph, file] of Object.entries(entries(model, variant))) {
    if (file) chosen[graph] = located(file);
  }
  // The CPU would run `image`: WebGPU takes the tower.
  if (runtime === "webgpu" && chosen.visual && chosen.preprocess) delete chosen.image;
  // A classifier takes prepared pixels.
  if (!chosen.preprocess || (chosen.classifier && wrong(chosen.classifier, runtime))) delete chosen.classifier;
  return chosen;
}

/** Why a file is not offered in a runtime, or undefined. */
const wrong = (file, runtime) => file.withheld[backend(file, runtime)];

/**
 * Why a model's variant is not offered in a runtime, or undefined: one of its files was measured
 * there, and is not close enough to PyTorch.
 */
export function withheld(model, variant, runtime) {
  const { image, visual, textual, preprocess } = files(document.baseURI, model, variant, runtime);
  const used = [...(image ? [image] : [visual, preprocess]), textual].filter(Boolean);
  const file = used.find((each) => wrong(each, runtime));
  return file && `${file.path.split("/").at(-1)}: ${wrong(file, runtime)}`;
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

/**
 * What makes a picture's embedding what it is: the runtime, and the files by their digests.
 * Preparation is one of them even where `image` is, for pictures with transparency.
 */
export function origin({ runtime, files: chosen }) {
  const used = new Set([chosen.preprocess, ...pictureFiles(chosen)].filter(Boolean));
  const digests = [...used].flatMap(({ sha256, data }) => (data ? [sha256, data.sha256] : [sha256]));
  return [runtime, ...digests].join("|");
}

// Graphs of raw pixels: the library with WebGPU has no Cast of their bytes, on its CPU neither.
const ON_CPU = ["image", "preprocess"];

/** Whether a file runs on the CPU, whatever the runtime's choice is. */
export const onCpu = (file, runtime) => runtime === "wasm" || ON_CPU.includes(file.graph);

const backend = (file, runtime) => (onCpu(file, runtime) ? "wasm" : "webgpu");

export const RUNTIMES = { wasm: "WebAssembly", webgpu: "WebGPU" };

/**
 * A file's parity in the runtime that it runs in, {cosine_min, inputs, measured_in}; that of native
 * ONNX Runtime with a `note` where it was not measured there. Null where it was not measured at all.
 */
export function parity(file, runtime) {
  const name = RUNTIMES[backend(file, runtime)];
  const here = file.runtimes[backend(file, runtime)];
  if (here) return { cosine_min: here.cosine, inputs: here.inputs, measured_in: name };
  if (!file.parity) return null;
  return { ...file.parity, measured_in: "ONNX Runtime", note: `not measured in ${name}` };
}
