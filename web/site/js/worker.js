// The worker that decodes pictures, tokenises texts and runs the models, one request after another.
//
// Requests are {id, task, …}, answers {id, result} or {id, error}; {progress} comes in between.

import { pictureFiles } from "./catalogue.js";
import { decode } from "./pixels.js";
import { start } from "./runtime.js";
import * as tokenizer from "./tokenizer.js";

let runtime, files, tokenize;

const tasks = {
  /** Choose the files (catalogue.js) and the runtime: {threads}. */
  async start(request) {
    files = request.files;
    tokenize = null;
    runtime = await start(request.runtime, (progress) => self.postMessage({ progress }));
    return { threads: runtime.threads };
  },

  /** One picture: its embedding, size, times in ms, and probabilities if `classify`. */
  async picture({ blob, orient, classify }) {
    const times = {};
    const picture = await timed(times, "decode", () => decode(blob, orient));
    await timed(times, "load", openTower);
    const embeds = await timed(times, "embed", () => embed(picture));
    const { width, height, approximate } = picture;
    const result = { embeds, width, height, approximate, times };
    return classify ? { ...result, probabilities: await probabilities(picture) } : result;
  },

  /** Several pictures, one by one, so that none depends on its neighbours: {embeds} or {error}. */
  async pictures({ blobs, orient }) {
    const results = [];
    for (const blob of blobs) results.push(await embedBlob(blob, orient));
    return results;
  },

  /** Cleaned texts: {rows, times}, times in ms, rows of {ids, tokens, cut, embeds}. */
  async texts({ texts }) {
    if (!files.textual) throw new Error("this model has no text tower here");
    const times = {};
    await timed(times, "load", async () => {
      tokenize ??= await tokenizer.load(files.tokenizer);
      await runtime.session(files.textual);
    });
    const rows = await timed(times, "embed", () => embedTexts(texts));
    return { rows, times };
  },
};

async function embedTexts(texts) {
  const rows = [];
  // One by one: padding is work, and with int8-dynamic the rows of a batch touch each other.
  for (const text of texts) {
    const row = tokenize(text);
    const ids = BigInt64Array.from(row.ids, BigInt);
    const feeds = { input_ids: runtime.tensor("int64", ids, [1, ids.length]) };
    rows.push({ ...row, embeds: (await runtime.run(files.textual, feeds)).data.slice() });
  }
  return rows;
}

/** {embeds}, or {error} where the fault is the picture's: one must not keep a folder from its end. */
async function embedBlob(blob, orient) {
  const failed = (error) => ({ error: error.message });
  const picture = await decode(blob, orient).catch(failed);
  if (picture.error) return picture;
  await openTower(); // what fails here fails for all pictures
  return embed(picture).then((embeds) => ({ embeds }), failed);
}

async function timed(times, name, act) {
  const started = performance.now();
  const result = await act();
  times[name] = performance.now() - started;
  return result;
}

async function openTower() {
  await Promise.all(pictureFiles(files).map((file) => runtime.session(file)));
}

/** A decoded picture's embedding: by the `image` graph, or by preprocess and the tower. */
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

let last = Promise.resolve();

self.onmessage = ({ data: { id, task, ...request } }) => {
  last = last.then(async () => {
    try {
      self.postMessage({ id, result: await tasks[task](request) });
    } catch (error) {
      self.postMessage({ id, error: error.message || String(error) });
    }
  });
};
