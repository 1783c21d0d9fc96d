// Small copies of pictures: a page of photographs at full size would fill the memory.

import { element } from "./element.js";

const SIDE = 288; // pixels, for screens of two per point

/** {shown, draw}: the element shows the picture's middle square once `draw` was called. It has no name. */
export function thumbnail(entry) {
  if (entry.src) { // small as it is
    return { shown: element("img", { src: entry.src, alt: "", loading: "lazy" }), draw() {} };
  }
  const canvas = element("canvas");
  let drawn = null;
  const draw = () => drawn ??= square(entry)
    .then((bitmap) => paint(canvas, bitmap))
    .catch(() => { canvas.hidden = true; });
  return { shown: canvas, draw };
}

function paint(canvas, bitmap) {
  canvas.width = canvas.height = SIDE;
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
}

async function square(blob) {
  const picture = await createImageBitmap(blob);
  const { width, height } = picture;
  const side = Math.min(width, height);
  const [left, top] = [(width - side) / 2, (height - side) / 2].map(Math.floor);
  const size = { resizeWidth: SIDE, resizeHeight: SIDE, resizeQuality: "medium" };
  return createImageBitmap(picture, left, top, side, side, size).finally(() => picture.close());
}
