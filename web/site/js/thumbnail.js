// Small copies of pictures: a page of photographs at full size would fill the memory.

import { element } from "./element.js";

const SIDE = 288; // pixels, for screens of two per point

/**
 * {shown, draw, release}: the element, which has no name, shows the picture's middle square from `draw`
 * until `release`, which gives the memory back.
 */
export function thumbnail(entry) {
  if (entry.src) { // small as it is
    return { shown: element("img", { src: entry.src, alt: "", loading: "lazy" }), draw() {}, release() {} };
  }
  const canvas = element("canvas", { width: 0, height: 0 });
  const draw = async () => {
    if (canvas.width || canvas.hidden) return;
    await square(entry).then((bitmap) => paint(canvas, bitmap)).catch(() => { canvas.hidden = true; });
  };
  return { shown: canvas, draw, release: () => { canvas.width = canvas.height = 0; } };
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
