// Embeddings that a second visit does not compute again, in IndexedDB.
//
// A key names the runtime and the model's files by digest (catalogue.js), and the picture by path,
// size and time of change. Files that have another digest do not run (fetching.js), so the digests
// are those of the bytes that made the embedding.

import * as idb from "../vendor/idb-keyval.js";
import { nameOf } from "./entry.js";

const earlier = ["clip-onnx"]; // databases of pages that did not check what they ran
const store = idb.createStore("clip-onnx.2", "embeddings");

/** idb-keyval's store, which rejects where a browser refuses it (a private window). */
async function embeddings(mode, act) {
  for (const name of earlier.splice(0)) indexedDB.deleteDatabase(name);
  return store(mode, act);
}

/** Key of a picture's embedding of some origin (catalogue.js). */
export function key(file, origin, orient) {
  const turned = orient ? "turned" : "as stored";
  return `${origin}|${turned}|${nameOf(file)}|${file.size}|${file.lastModified}`;
}

/** A Map of those of the keys that are there. */
export async function get(keys) {
  const values = await idb.getMany(keys, embeddings);
  return new Map(keys.map((name, place) => [name, values[place]]).filter(([, embeds]) => embeds));
}

/** Store [key, embedding] pairs. */
export const put = (pairs) => idb.setMany(pairs, embeddings);

export const count = () => embeddings("readonly", (table) => idb.promisifyRequest(table.count()));

export const clear = () => idb.clear(embeddings);
