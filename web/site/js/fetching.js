// Files that a list names with their digests: what is not to the last bit what it promises is not used.

import { alone, keep, kept } from "./keeping.js";

/** A file that is not there, or another than the one that is listed. */
export class Refused extends Error {}

/**
 * The bytes of {url, path, bytes, sha256}, from this browser where they are kept.
 *
 * cache: fetch's; "reload" asks the server whatever its own cache has. `report` hears {path, loaded,
 * total} while they come, and {path, sha256, kept} once they are the right ones; `kept` says whether the
 * browser keeps them. Throws Refused in one line that names the file.
 */
export function fetchFile(file, cache, report) {
  return alone(file.sha256, async () => {
    const { path, sha256 } = file;
    const known = await kept(sha256);
    if (known && await digest(known) === sha256) {
      report({ path, sha256, kept: true });
      return known;
    }
    const content = await fetchOnce(file, cache, report);
    report({ path, sha256, kept: await keep(sha256, content) });
    return content;
  });
}

/** The same of a file that is not to be kept. */
export async function fetchOnce(file, cache, report) {
  const content = await download(file, cache, report);
  if (await digest(content) !== file.sha256) throw differs(file.path);
  return content;
}

/** The same of a JSON file: what it says. */
export async function fetchJson(file, cache, report) {
  return JSON.parse(new TextDecoder().decode(await fetchFile(file, cache, report)));
}

const differs = (path) => new Refused(`${path} is not the file that index.json lists: its content differs.`);

async function download({ url, path, bytes: total }, cache, report) {
  report({ path, loaded: 0, total });
  const response = await fetch(url, { cache }).catch(() => null);
  if (!response?.ok) {
    throw new Refused(`${path} could not be loaded (${response?.status ?? "no connection"}).`);
  }
  const parts = [];
  let loaded = 0;
  for await (const part of pieces(response.body, path)) {
    parts.push(part);
    loaded += part.length;
    if (loaded > total) throw differs(path);
    report({ path, loaded, total });
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
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
