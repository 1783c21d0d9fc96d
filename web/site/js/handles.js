// Folders that the browser lets a page read again at a later visit (File System Access API).

import * as idb from "../vendor/idb-keyval.js";

const KEY = "opened";
const able = "showDirectoryPicker" in globalThis;
const store = able && idb.createStore("clip-onnx.folders", "handles");

/** Whether this browser has such folders. */
export const canChoose = able;

/** A folder's handle that the reader chooses, or null if none was chosen. */
export async function choose() {
  return globalThis.showDirectoryPicker({ id: "pictures" }).catch((error) => {
    if (error.name === "AbortError") return null;
    throw new Error(`The folder cannot be read: ${error.message}`);
  });
}

/** The handles of the folders that were open last. */
export const remembered = async () => (able ? (await idb.get(KEY, store).catch(() => null)) ?? [] : []);

/** Remember these folders instead. In a private window there is nothing to remember them. */
export const remember = (handles) => idb.set(KEY, handles, store).catch(() => {});

export const forget = async () => { if (able) await remember([]); };

/** The files of folders, each with its `path`. Throws an Error in a line where the browser does not allow it. */
export async function filesOf(handles) {
  const found = [];
  for (const handle of handles) {
    const asked = (await handle.requestPermission?.({ mode: "read" }).catch(() => "denied")) ?? "granted";
    if (asked !== "granted") throw new Error(`The browser was not allowed to read ${handle.name}: open it anew.`);
    await gather(handle, handle.name, found).catch(() => {
      throw new Error(`${handle.name} could not be read: is it still there?`);
    });
  }
  return found;
}

async function gather(folder, path, found) {
  for await (const entry of folder.values()) {
    const below = `${path}/${entry.name}`;
    if (entry.kind === "directory") await gather(entry, below, found);
    else found.push(Object.assign(await entry.getFile(), { path: below }));
  }
}
