// Files that index.json lists: what is not to the last bit what it promises is not used.

/** A file that is not there, or another than the one that is listed. */
export class Refused extends Error {}

/**
 * The bytes of {url, path, bytes, sha256}.
 *
 * cache: fetch's; "reload" asks the server whatever was kept. `report` hears {path, loaded, total}.
 * Throws Refused in one line that names the file.
 */
export async function fetchFile({ url, path, bytes: total, sha256 }, cache, report) {
  const response = await fetch(url, { cache }).catch(() => null);
  if (!response?.ok) {
    throw new Refused(`${path} could not be loaded (${response?.status ?? "no connection"}).`);
  }
  const other = new Refused(`${path} is not the file that index.json lists: its content differs.`);
  const parts = [];
  let loaded = 0;
  for await (const part of pieces(response.body, path)) {
    parts.push(part);
    loaded += part.length;
    if (loaded > total) throw other;
    report({ path, loaded, total });
  }
  const content = new Uint8Array(await new Blob(parts).arrayBuffer());
  if (await digest(content) !== sha256) throw other;
  return content;
}

/** The same of a JSON file: what it says. */
export async function fetchJson(file, cache, report) {
  return JSON.parse(new TextDecoder().decode(await fetchFile(file, cache, report)));
}

// ReadableStream is not an async iterator in every browser.
async function* pieces(stream, path) {
  const reader = stream.getReader();
  const read = () => reader.read().catch(() => {
    throw new Refused(`${path} could not be loaded: the connection broke.`);
  });
  try {
    for (let step = await read(); !step.done; step = await read()) yield step.value;
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function digest(bytes) {
  const found = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(found, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
