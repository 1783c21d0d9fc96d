// The worker that decodes pictures, tokenises texts and runs the models, one request after another
// (jobs.js says which is next).
//
// Requests are {id, task, …}, answers {id, result} or {id, error, refused}; {progress} comes in between.
// `refused` says that a file is the reason (fetching.js).

import { pictureFiles } from "./catalogue.js";
import { fetchJson, Refused } from "./fetching.js";
import { Jobs } from "./jobs.js";
import { decode } from "./pixels.js";
import { start } from "./runtime.js";
import { shaped } from "./shaping.js";
import * as tokenizer from "./tokenizer.js";

const report = (progress) => self.postMessage({ progress });
let runtime, files, cache, tokenize;

const tasks = {
  /** Choose the files (catalogue.js), fetch's cache, and the runtime: {threads}. */
  async start(request) {
    ({ files, cache } = request);
    runtime = await start(request.runtime, files.libraries, cache, report);
    return { threads: runtime.threads };
  },

  /** One picture: its embedding, size, times in ms, and probabilities if `classify`. */
  async picture({ blob, orient, classify }) {
    const times = {};
    const picture = await timed(times, "decode", () => decode(blob, orient));
    await timed(times, "load", openTower);
    let rgb;
    const embeds = await timed(times, "embed", async () => embed(rgb = await toRgb(picture)));
    const { width, height, approximate } = picture;
    const result = { embeds, width, height, approximate, times };
    return classify ? { ...result, probabilities: await probabilities(rgb) } : result;
  },

  /** A picture of a folder: {embeds}, or {error} where the fault is its own: the folder goes on. */
  async indexed({ decoded }) {
    const picture = await decoded;
    if (picture.error) return picture;
    await openTower(); // what fails here fails for all pictures
    const rgb = await toRgb(picture).catch((error) => {
      if (error instanceof Refused) throw error;
      return failed(error);
    });
    return rgb.error ? rgb : embed(rgb).then((embeds) => ({ embeds }), failed);
  },

  /** Have what texts need ready before the first one comes. */
  async warm() {
    if (files.textual) await openTexts();
  },

  /** Cleaned texts: {rows, times}, times in ms, rows of {ids, tokens, cut, embeds}. */
  async texts({ texts }) {
    if (!files.textual) throw new Error("this model has no text tower here");
    const times = {};
    await timed(times, "load", openTexts);
    const rows = await timed(times, "embed", () => embedTexts(texts));
    return { rows, times };
  },
};

async function openTexts() {
  tokenize ??= loadTokenizer();
  await Promise.all([tokenize, runtime.session(files.textual)]);
}

async function loadTokenizer() {
  const [description, config] = await Promise.all(files.tokenizer.map((file) => fetchJson(file, cache, report)));
  return tokenizer.create(description, config, files.cleaned);
}

async function embedTexts(texts) {
  const rows = [], split = await tokenize;
  // One by one: padding is work, and with int8-dynamic the rows of a batch touch each other.
  for (const text of texts) {
    const row = split(text);
    const ids = BigInt64Array.from(row.ids, BigInt);
    const feeds = { input_ids: runtime.tensor("int64", ids, [1, ids.length]) };
    rows.push({ ...row, embeds: (await runtime.run(files.textual, feeds)).data.slice() });
  }
  return rows;
}

const failed = (error) => ({ error: error.message });

async function timed(times, name, act) {
  const started = performance.now();
  const result = await act();
  times[name] = performance.now() - started;
  return result;
}

async function openTower() {
  await Promise.all(pictureFiles(files).map((file) => runtime.session(file)));
}

/** A decoded picture as the graphs take it (shaping.js). */
function toRgb(picture) {
  return shaped(picture, files, async (rgb) => {
    if (!files.preprocess) {
      throw new Error("it has transparency, and the model's bundle no preprocess.onnx to resize it with");
    }
    return (await runRaw(files.preprocess, rgb)).data;
  });
}

/** A picture's embedding: by the `image` graph, or by preprocess and the tower. */
async function embed(picture) {
  if (files.image) return (await runRaw(files.image, picture)).data.slice();
  const pixels = await runRaw(files.preprocess, picture);
  return (await runtime.run(files.visual, { pixel_values: pixels })).data.slice();
}

async function probabilities(picture) {
  const pixels = await runRaw(files.preprocess, picture);
  return (await runtime.run(files.classifier, { pixel_values: pixels })).data.slice();
}

function runRaw(file, { pixels, width, height }) {
  return runtime.run(file, { image: runtime.tensor("uint8", pixels, [height, width, 3]) });
}

const jobs = new Jobs(async ({ id, task, ...request }) => {
  try {
    self.postMessage({ id, result: await tasks[task](request) });
  } catch (error) {
    const refused = error instanceof Refused;
    self.postMessage({ id, error: error.message || String(error), refused });
  }
});

self.onmessage = ({ data }) => {
  if (data.task !== "indexed") jobs.add(data);
  // Its file is read and unpacked while the model is at the one before.
  else jobs.addLater({ ...data, decoded: decode(data.blob, data.orient).catch(failed) });
};
