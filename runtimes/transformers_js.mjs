// Models, tokens and the zero-shot pipeline of transformers.js, in a page or in Node.

import { answering } from "./job.mjs";

const TYPES = new Map([
  [Float32Array, "float32"],
  [BigInt64Array, "int64"],
  [Uint8Array, "uint8"],
]);

// A function job -> answer; the job's `task` is of those below, its `model` a bundle's folder.
export function tasks(transformers, localModelPath) {
  const { AutoTokenizer, RawImage, Tensor, env, pipeline } = transformers;
  Object.assign(env, { localModelPath, allowLocalModels: true, allowRemoteModels: false });
  let last = { key: null, model: null };

  // One model is loaded at a time; pictures of one come one by one.
  async function load(job) {
    const key = JSON.stringify(job);
    if (last.key !== key) {
      await last.model?.dispose();
      last = { key: null, model: null };
      last = { key, model: await transformers[job.class].from_pretrained(job.model, job.options) };
    }
    return last.model;
  }

  const run = answering(load, async (model, feeds) => {
    const given = Object.entries(feeds).map(([name, { shape, data }]) => [
      name,
      new Tensor(TYPES.get(data.constructor), data, shape),
    ]);
    const found = Object.entries(await model(Object.fromEntries(given)));
    return Object.fromEntries(
      found.map(([name, { dims, data }]) => [name, { shape: dims, data: Float32Array.from(data) }]),
    );
  });

  // Token ids of each text, unpadded.
  async function tokenize({ model, texts }) {
    const tokenizer = await AutoTokenizer.from_pretrained(model);
    return texts.map((text) => tokenizer(text, { truncation: true }).input_ids.tolist()[0].map(Number));
  }

  // [{label, score}] of a picture file in base64, the most likely first; {} of the template is a
  // label's place.
  async function classify({ model, options, picture, labels, template }) {
    const classifier = await pipeline("zero-shot-image-classification", model, options);
    const bytes = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0));
    const image = await RawImage.fromBlob(new Blob([bytes]));
    return classifier(image, labels, { hypothesis_template: template });
  }

  const known = { run, tokenize, classify };
  return (job) => known[job.task](job);
}
