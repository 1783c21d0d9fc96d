// Embeddings that a second visit does not compute again, in IndexedDB.
//
// A key names the runtime and the model's files by digest (catalogue.js), and the picture by path,
// size and time of change. Files that have another digest do not run (fetching.js), so the digests
// are those of the bytes that made the embedding.

const DATABASE = "clip-onnx.2", TABLE = "embeddings";
const EARLIER = ["clip-onnx"]; // its pages did not check what they ran

let opened;

function database() {
  opened ??= new Promise((resolve, reject) => {
    for (const name of EARLIER) indexedDB.deleteDatabase(name);
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(TABLE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

/** Key of a picture's embedding of some origin (catalogue.js). */
export function key(file, origin, orient) {
  const path = file.webkitRelativePath || file.name;
  const turned = orient ? "turned" : "as stored";
  return `${origin}|${turned}|${path}|${file.size}|${file.lastModified}`;
}

async function inTransaction(mode, act) {
  const transaction = (await database()).transaction(TABLE, mode);
  const result = act(transaction.objectStore(TABLE));
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

/** A Map of those of the keys that are there. */
export async function get(keys) {
  const found = new Map();
  await inTransaction("readonly", (table) => {
    for (const name of keys) {
      const request = table.get(name);
      request.onsuccess = () => request.result && found.set(name, request.result);
    }
  });
  return found;
}

/** Store [key, embedding] pairs. */
export const put = (pairs) => inTransaction("readwrite", (table) => {
  for (const [name, embeds] of pairs) table.put(embeds, name);
});

export async function count() {
  const request = await inTransaction("readonly", (table) => table.count());
  return request.result;
}

export const clear = () => inTransaction("readwrite", (table) => table.clear());
