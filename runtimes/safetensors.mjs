// Reading and writing safetensors files: a length, a JSON header, and the tensors' bytes.

import { readFileSync, writeFileSync } from "node:fs";

const ARRAYS = { F32: Float32Array, I32: Int32Array };

// {name: {shape, data}} of the file's tensors, float32 or int32.
export function read(path) {
  const bytes = readFileSync(path);
  const start = 8 + Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.toString("utf8", 8, start));
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    if (!(dtype in ARRAYS)) throw new Error(`${path}: ${name} is ${dtype}, not F32 or I32`);
    const [from, to] = data_offsets.map((offset) => start + offset);
    const copy = bytes.buffer.slice(bytes.byteOffset + from, bytes.byteOffset + to);
    tensors[name] = { shape, data: new ARRAYS[dtype](copy) };
  }
  return tensors;
}

// Write {name: {shape, data}}, all of them Float32Arrays.
export function write(path, tensors) {
  const header = {};
  let end = 0;
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    header[name] = { dtype: "F32", shape, data_offsets: [end, (end += data.byteLength)] };
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const bodies = Object.values(tensors).map(({ data }) => Buffer.from(data.buffer));
  writeFileSync(path, Buffer.concat([length, text, ...bodies]));
}
