// A folder that the browser lets a page read again at a later visit (File System Access API).

import * as idb from "../vendor/idb-keyval.js";

const KEY = "folder";

/** Whether this browser has such folders, and here: not within another site's page. */
export const able = "showDirectoryPicker" in globalThis && self === top;
const store = able && idb.createStore("clip-onnx.folders", "handles");

/** A folder's handle that the reader chooses, or null if none was chosen. */
export async function choose() {
  return globalThis.showDirectoryPicker({ id: "pictures" }).catch((error) => {
    if (error.name === "AbortError") return null;
    throw new Error(`The folder cannot be read: ${error.message}`);
  });
}

/** The handle that is remembered, or null. */
export const remembered = async () => (able && (await idb.get(KEY, store).catch(() => null))) || null;

/** Remember a folder instead. In a private window there is nothing to remember it. */
export const remember = (handle) => idb.set(KEY, handle, store).catch(() => {});

export const forget = async () => { if (able) await remember(null); };

/**
 * {files, unread}: a folder's files, each with its `path`, and how many entries could not be read. Throws an
 * Error in a line where the browser does not allow it.
 */
export async function filesOf(handle) {
  const asked = (await handle.requestPermission?.({ mode: "read" }).catch(() => "denied")) ?? "granted";
  if (asked !== "granted") throw new Error(`The browser was not allowed to read ${handle.name}: open it anew.`);
  const found = { files: [], unread: 0 };
  await gather(handle, handle.name, found).catch(() => {
    throw new Error(`${handle.name} could not be read: is it still there?`);
  });
  return found;
}

async function gather(folder, path, found) {
  for await (const entry of folder.values()) {
    const below = `${path}/${entry.name}`;
    try {
      if (entry.kind === "directory") await gather(entry, below, found);
      else found.files.push(Object.assign(await entry.getFile(), { path: below }));
    } catch {
      found.unread += 1; // gone by now, or another user's
    }
  }
}
