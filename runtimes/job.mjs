// What Python asks of a runtime in JavaScript: a model, fed once. See jobs.py.

import { decode, encode } from "./safetensors.mjs";

// `run` as Python calls it: tensors are base64 of safetensors, an exception is an answer too.
//
// load: job -> model, which it may have kept since the last job
// run: (model, {input: {shape, data}}, job) -> {output: {shape, data: Float32Array}}
//
// The answer says, beside the outputs, how many milliseconds both took.
export function answering(load, run) {
  return async ({ feeds, ...job }) => {
    try {
      const given = decode(feeds);
      const started = performance.now();
      const model = await load(job);
      const loaded = performance.now();
      const outputs = await run(model, given, job);
      const ended = performance.now();
      const ms = { load_ms: loaded - started, run_ms: ended - loaded };
      return { outputs: encode(outputs), ...ms };
    } catch (error) {
      return { error: String(error) };
    }
  };
}

// Run a model of batch 1 on each row of the feeds, and join what it gives.
export async function rowByRow(feeds, run) {
  const rows = Math.min(...Object.values(feeds).map(({ shape }) => shape[0]));
  const found = {};
  for (let number = 0; number < rows; number++) {
    const given = Object.entries(feeds).map(([name, tensor]) => [name, row(tensor, number)]);
    const outputs = await run(Object.fromEntries(given));
    for (const [name, output] of Object.entries(outputs)) (found[name] ??= []).push(output);
  }
  return Object.fromEntries(Object.entries(found).map(([name, parts]) => [name, join(parts)]));
}

function row({ shape, data }, number) {
  const size = data.length / shape[0];
  return { shape: [1, ...shape.slice(1)], data: data.slice(number * size, (number + 1) * size) };
}

function join(parts) {
  const [{ shape, data }] = parts;
  const joined = new Float32Array(parts.length * data.length);
  parts.forEach((part, number) => joined.set(part.data, number * data.length));
  return { shape: [parts.length, ...shape.slice(1)], data: joined };
}
