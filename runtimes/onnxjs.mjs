// Run a model of batch 1 in onnx.js on its CPU backend, row by row.
//
//     node runtimes/onnxjs.mjs MODEL.onnx INPUTS.safetensors OUTPUTS.safetensors
//
// INPUTS has a float32 or int32 tensor [rows, …] for every input of the model; OUTPUTS gets one for
// every output.

import { readFileSync } from "node:fs";

import onnx from "onnxjs";

import { read, write } from "./safetensors.mjs";

const TYPES = new Map([
  [Float32Array, "float32"],
  [Int32Array, "int32"],
]);

// The row of a tensor as onnx.js's own, with a batch of 1.
function row({ shape, data }, number) {
  const size = data.length / shape[0];
  const part = data.slice(number * size, (number + 1) * size);
  return new onnx.Tensor(part, TYPES.get(data.constructor), [1, ...shape.slice(1)]);
}

// Several outputs of batch 1 as one.
function join(tensors) {
  const data = Float32Array.from(tensors.flatMap(({ data }) => [...data]));
  return { shape: [tensors.length, ...tensors[0].dims.slice(1)], data };
}

const [model, inputs, outputs] = process.argv.slice(2);
const session = new onnx.InferenceSession({ backendHint: "cpu" });
await session.loadModel(readFileSync(model)); // it would fetch a path
const tensors = read(inputs);
const rows = Math.min(...Object.values(tensors).map(({ shape }) => shape[0]));
const results = {};
for (let number = 0; number < rows; number++) {
  const feeds = Object.entries(tensors).map(([name, tensor]) => [name, row(tensor, number)]);
  const found = await session.run(new Map(feeds));
  for (const [name, tensor] of found) (results[name] ??= []).push(tensor);
}
write(
  outputs,
  Object.fromEntries(Object.entries(results).map(([name, found]) => [name, join(found)])),
);
