// A picture of a collection: a File of an opened folder, or {name, src} of one that ships.

/** Its path in the folder, or its name. */
export const nameOf = (entry) => entry.path || entry.webkitRelativePath || entry.name;

/** Its file as a Blob. Throws an Error in a line where a shipped one cannot be had. */
export async function blobOf(entry) {
  if (entry instanceof Blob) return entry;
  const response = await fetch(entry.src).catch(() => null);
  if (!response?.ok) throw new Error(`${entry.name} could not be loaded: try again.`);
  return response.blob();
}
