// safetensors in a page and in Node: a length, a JSON header, and the tensors' bytes.

const ARRAYS = { F32: Float32Array, I32: Int32Array, I64: BigInt64Array, U8: Uint8Array };

// {name: {shape, data}} of what `encode`, or safetensors in Python, wrote as base64.
export function decode(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const start = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start)));
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    if (!(dtype in ARRAYS)) throw new Error(`${name} is ${dtype}: ${Object.keys(ARRAYS)} are read`);
    const [from, to] = data_offsets.map((offset) => start + offset);
    tensors[name] = { shape, data: new ARRAYS[dtype](bytes.buffer.slice(from, to)) };
  }
  return tensors;
}

// base64 of {name: {shape, data}}, all of them Float32Arrays.
export function encode(tensors) {
  const header = {};
  let end = 0;
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    header[name] = { dtype: "F32", shape, data_offsets: [end, (end += data.byteLength)] };
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const length = new Uint8Array(new BigUint64Array([BigInt(text.length)]).buffer);
  const bodies = Object.values(tensors).map(
    ({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  );
  return btoa([length, text, ...bodies].map(letters).join(""));
}

const ARGUMENTS = 2 ** 15; // that a call may have

// A string of one letter a byte, as btoa takes it.
function letters(bytes) {
  let text = "";
  for (let start = 0; start < bytes.length; start += ARGUMENTS) {
    text += String.fromCharCode(...bytes.subarray(start, start + ARGUMENTS));
  }
  return text;
}
