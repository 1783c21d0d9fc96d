// A model of batch 1 in onnx.js, in a page that has loaded dist/onnx.min.js, on its CPU backend.

import { answering, rowByRow } from "./job.mjs";

const TYPES = new Map([
  [Float32Array, "float32"],
  [Int32Array, "int32"],
]);

let last = { model: null, session: null };

async function session({ model }) {
  if (last.model !== model) {
    last = { model, session: new onnx.InferenceSession({ backendHint: "cpu" }) };
    await last.session.loadModel(model);
  }
  return last.session;
}

async function once(loaded, feeds) {
  const given = Object.entries(feeds).map(([name, { shape, data }]) => [
    name,
    new onnx.Tensor(data, TYPES.get(data.constructor), shape),
  ]);
  const outputs = {};
  for (const [name, { dims, data }] of await loaded.run(new Map(given))) {
    outputs[name] = { shape: dims, data: Float32Array.from(data) };
  }
  return outputs;
}

// pixel_values [1, 3, side, side] of a picture file whose sides are the model's.
async function pixelValues(bytes, mean, std) {
  const picture = await createImageBitmap(new Blob([bytes]), { colorSpaceConversion: "none" });
  const { width, height } = picture;
  const canvas = new OffscreenCanvas(width, height).getContext("2d");
  canvas.drawImage(picture, 0, 0);
  const { data } = canvas.getImageData(0, 0, width, height); // red, green, blue, alpha
  const values = new Float32Array(3 * width * height);
  for (let place = 0; place < values.length; place++) {
    const channel = Math.floor(place / (width * height));
    const pixel = place % (width * height);
    values[place] = (data[4 * pixel + channel] / 255 - mean[channel]) / std[channel];
  }
  return { shape: [1, 3, height, width], data: values };
}

// Feeds are the model's own, or `picture`: the bytes of a file.
export const run = answering(session, async (loaded, { picture, ...feeds }, { mean, std }) => {
  if (picture) feeds = { pixel_values: await pixelValues(picture.data, mean, std) };
  return rowByRow(feeds, (given) => once(loaded, given));
});
