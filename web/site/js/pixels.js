// A picture's file as the bytes that CLIP's graphs take: uint8 RGB [height, width, 3].
//
// As Pillow's open(…).convert("RGB") gives them: alpha dropped, not blended, colour profiles
// and EXIF orientation ignored. PNGs of 8 bits are exact; JPEGs differ by a level where decoders do.
// Where OpenAI's transform, which resizes before it converts, needs more, that is there as well.

import { ignoreOrientation } from "./exif.js";
import { resizing } from "./mode.js";

const UNCHANGED = { premultiplyAlpha: "none", colorSpaceConversion: "none" };

/**
 * Decode a Blob: {pixels, width, height, alpha, resizing, approximate}.
 *
 * orient: turn the picture as its EXIF entry says. alpha: a byte a pixel where Pillow resizes by
 * it, or null; resizing: mode.js's. approximate: colours under transparency could not be read as
 * they are stored. Throws an Error that names what is wrong.
 */
export async function decode(blob, orient = false) {
  const bitmap = await createImageBitmap(orient ? blob : await ignoreOrientation(blob), UNCHANGED)
    .catch(() => { throw new Error("this browser cannot read it as a picture"); });
  const { width, height } = bitmap;
  try {
    const drawn = draw(bitmap);
    const clear = transparent(drawn);
    const stored = clear ? readStored(bitmap) : drawn;
    // A canvas beyond the browser's limits stays empty without an error.
    if (!stored && !drawn.some(Boolean)) throw new Error(`too large: ${width} × ${height}`);
    const kind = await resizing(blob);
    const alpha = clear && kind === "mixed" ? alphaOf(drawn) : null;
    const pixels = toRgb(stored ?? drawn);
    return { pixels, width, height, alpha, resizing: kind, approximate: stored === null };
  } finally {
    bitmap.close();
  }
}

function draw(bitmap) {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height).data;
}

function transparent(rgba) {
  for (let at = 3; at < rgba.length; at += 4) if (rgba[at] !== 255) return true;
  return false;
}

const alphaOf = (rgba) => Uint8Array.from({ length: rgba.length / 4 }, (_, place) => rgba[place * 4 + 3]);

/**
 * RGBA as stored, or null where WebGL is missing or the picture is larger than its textures.
 * A 2D canvas multiplies colours by alpha and so loses them where alpha is low.
 */
function readStored(bitmap) {
  const gl = new OffscreenCanvas(1, 1).getContext("webgl2");
  if (!gl || Math.max(bitmap.width, bitmap.height) > gl.getParameter(gl.MAX_TEXTURE_SIZE)) {
    return null;
  }
  gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  const texture = gl.getParameter(gl.TEXTURE_BINDING_2D);
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
  const rgba = new Uint8Array(bitmap.width * bitmap.height * 4);
  gl.readPixels(0, 0, bitmap.width, bitmap.height, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
  const failed = gl.getError() !== gl.NO_ERROR;
  gl.getExtension("WEBGL_lose_context")?.loseContext(); // browsers keep few of them
  return failed ? null : rgba;
}

function toRgb(rgba) {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    rgb[to++] = rgba[from];
    rgb[to++] = rgba[from + 1];
    rgb[to++] = rgba[from + 2];
  }
  return rgb;
}
