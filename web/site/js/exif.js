// Hiding a picture's EXIF orientation from the browser's decoder.
//
// OpenAI's code ignores it. Browsers apply it, and Chromium does so with imageOrientation: "none"
// as well, so the entry is renamed to something that decoders skip. Pixels are not touched.

const ascii = (bytes, at, length) => String.fromCharCode(...bytes.subarray(at, at + length));

/** The picture's file without an orientation: the same Blob where it has none. */
export async function ignoreOrientation(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const places = marks(bytes);
  for (const place of places) bytes.fill(0x78, place, place + 4); // "xxxx"
  return places.length ? new Blob([bytes], { type: blob.type }) : blob;
}

/** Where the names of EXIF entries stand in a JPEG, PNG or WebP file. */
function marks(bytes) {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return jpegMarks(bytes);
  if (ascii(bytes, 1, 3) === "PNG") return chunkMarks(bytes, 8, pngChunk, "eXIf");
  if (ascii(bytes, 8, 4) === "WEBP") return chunkMarks(bytes, 12, riffChunk, "EXIF");
  return [];
}

function jpegMarks(bytes) {
  const found = [];
  let at = 2;
  while (at + 10 < bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1];
    if (marker === 0xda) break; // the pixels begin
    if (marker === 0xe1 && ascii(bytes, at + 4, 4) === "Exif") found.push(at + 4);
    at += 2 + bytes[at + 2] * 256 + bytes[at + 3];
  }
  return found;
}

function chunkMarks(bytes, start, read, wanted) {
  const view = new DataView(bytes.buffer);
  const found = [];
  for (let at = start; at + 8 <= bytes.length; ) {
    const { name, length } = read(bytes, view, at);
    if (ascii(bytes, name, 4) === wanted) found.push(name);
    at += length;
  }
  return found;
}

const pngChunk = (_, view, at) => ({ name: at + 4, length: 12 + view.getUint32(at) });

function riffChunk(_, view, at) {
  const size = view.getUint32(at + 4, true);
  return { name: at, length: 8 + size + (size % 2) };
}
