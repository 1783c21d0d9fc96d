// What OpenAI's transform does to a picture before it converts it to RGB, where that is not the same
// afterwards: Pillow resizes colours multiplied by their alpha, and divides again; of palettes it
// takes the nearest pixels. The graphs take RGB, so such pictures come to them resized and cropped.

/**
 * A picture for the graphs, {pixels, width, height} in RGB.
 *
 * picture: decode's of pixels.js. model: {side, resize, mean, std}. `prepare` gives the preprocess graph's
 * pixel_values of an RGB picture, as they lie in memory.
 */
export async function shaped(picture, model, prepare) {
  const size = resized(picture, model);
  // What has its size already Pillow leaves as it is.
  if (size.width === picture.width && size.height === picture.height) return picture;
  if (picture.resizing === "nearest") return nearest(picture, size, model.side);
  return picture.alpha ? mixed(picture, model, prepare) : picture;
}

/**
 * The size after resizing. "shortest": the shorter side is the model's, the longer one cut to whole
 * pixels; "longest": the longer side is, the other one rounded; "squash": both are.
 */
function resized({ width, height }, { side, resize }) {
  if (resize === "squash") return { width: side, height: side };
  if (resize === "longest") {
    const ratio = Math.max(width, height) / side;
    return { width: Math.max(1, toEven(width / ratio)), height: Math.max(1, toEven(height / ratio)) };
  }
  const short = Math.min(width, height);
  return { width: Math.floor((side * width) / short), height: Math.floor((side * height) / short) };
}

/** A number rounded, halves to even. */
function toEven(number) {
  const whole = Math.floor(number);
  return number - whole === 0.5 ? whole + (whole % 2) : Math.round(number);
}

/** Where the centre starts: the half of what is too much. Before the picture, if that is too small. */
function margin(length, side) {
  return length > side ? toEven((length - side) / 2) : -Math.floor((side - length) / 2);
}

/**
 * The pixels of the centre after resizing by the nearest pixel. What they are filled up with is black,
 * where Pillow takes the palette's first colour.
 */
function nearest({ pixels, width, height }, size, side) {
  const columns = places(width, size.width, side);
  const rows = places(height, size.height, side);
  const found = new Uint8Array(side * side * 3);
  let to = 0;
  for (const row of rows) {
    for (const column of columns) {
      const from = (row * width + column) * 3; // of no row or column: NaN, which stays 0
      for (let channel = 0; channel < 3; channel++) found[to++] = pixels[from + channel] ?? 0;
    }
  }
  return { pixels: found, width: side, height: side };
}

/** Which pixels of a line the centre of the resized one takes; summed up as Pillow does. */
function places(before, after, side) {
  const found = [], step = before / after;
  for (let at = step * 0.5; found.length < after; at += step) found.push(Math.floor(at));
  const start = margin(after, side);
  return Array.from({ length: side }, (_, place) => found[start + place]);
}

async function mixed({ pixels, alpha, width, height }, { side, mean, std }, prepare) {
  const levels = async (rgb) =>
    (await prepare({ pixels: rgb, width, height })).map((value, place) => {
      const channel = Math.floor(place / (side * side));
      return Math.round((value * std[channel] + mean[channel]) * 255);
    });
  const colours = await levels(pixels.map((level, place) => product(level, alpha[Math.floor(place / 3)])));
  const shares = await levels(Uint8Array.from(pixels, (_, place) => alpha[Math.floor(place / 3)]));
  const found = new Uint8Array(side * side * 3);
  for (let place = 0; place < side * side; place++) {
    for (let channel = 0; channel < 3; channel++) {
      const level = colours[channel * side * side + place];
      found[place * 3 + channel] = quotient(level, shares[place]);
    }
  }
  return { pixels: found, width: side, height: side };
}

/** level · alpha / 255, rounded as Pillow rounds it. */
function product(level, alpha) {
  const scaled = level * alpha + 128;
  return ((scaled >> 8) + scaled) >> 8;
}

/** The other way round. */
function quotient(level, alpha) {
  return alpha === 0 || alpha === 255 ? level : Math.min(255, Math.floor((255 * level) / alpha));
}
