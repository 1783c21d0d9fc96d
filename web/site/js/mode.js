// How Pillow would resize a picture's file, which hangs on what it calls the file's mode. Browsers do
// not tell whether pixels come from a palette, or which kind of transparency they have.

const HEAD = 2048; // bytes: headers, and palettes where they tell

const ascii = (bytes, at, length) => String.fromCharCode(...bytes.subarray(at, at + length));

/**
 * "nearest" of palettes and of one bit a pixel; "opaque" where transparency is a note beside the
 * pixels, which Pillow ignores; else "mixed", by alpha where the picture has some.
 */
export async function resizing(blob) {
  const bytes = new Uint8Array(await blob.slice(0, HEAD).arrayBuffer());
  if (ascii(bytes, 1, 3) === "PNG") return ofPng(bytes[24], bytes[25]);
  if (ascii(bytes, 0, 4) === "GIF8") return ofGif(bytes);
  if (ascii(bytes, 0, 2) === "BM" && bytes.length > 54) return ofBmp(bytes);
  return "mixed";
}

function ofPng(bits, colours) {
  if (colours === 3 || (colours === 0 && bits === 1)) return "nearest";
  return colours === 0 || colours === 2 ? "opaque" : "mixed";
}

/** A GIF whose palette is the greys in their order is a grey picture to Pillow. */
function ofGif(bytes) {
  const [flags, start] = [bytes[10], 13];
  const count = flags & 0x80 ? 2 << (flags & 7) : 0;
  return count && greys(bytes, start, count, 3) ? "opaque" : "nearest";
}

/** So is such a BMP, but for two colours: those are bits. */
function ofBmp(bytes) {
  const view = new DataView(bytes.buffer);
  const header = view.getUint32(14, true);
  const old = header === 12;
  const bits = view.getUint16(old ? 24 : 28, true);
  if (bits > 8) return "mixed";
  const count = (!old && view.getUint32(46, true)) || 1 << bits;
  const grey = count > 2 && greys(bytes, 14 + header, count, old ? 3 : 4);
  return grey ? "opaque" : "nearest";
}

function greys(bytes, start, count, stride) {
  if (count > 256) return false;
  for (let level = 0; level < count; level++) {
    const at = start + level * stride;
    if ([0, 1, 2].some((channel) => bytes[at + channel] !== level)) return false;
  }
  return true;
}
