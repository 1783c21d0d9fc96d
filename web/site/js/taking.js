// Taking results along: the pictures into a folder or a ZIP, their names and cosines as CSV or JSON.

import { downloadZip } from "../vendor/client-zip.js";
import { save } from "./element.js";
import { blobOf, nameOf } from "./entry.js";

/** Whether this browser writes into folders. */
export const folders = "showDirectoryPicker" in globalThis;

/** Copy pictures into a folder that the reader chooses: a line that says so, or null if none was chosen. */
export async function copy(entries, report) {
  const folder = await globalThis.showDirectoryPicker({ mode: "readwrite" }).catch((error) => {
    if (error.name === "AbortError") return null;
    throw new Error(`The folder cannot be written to: ${error.message}`);
  });
  if (!folder) return null;
  const taken = new Set();
  for await (const name of folder.keys()) taken.add(name.toLowerCase());
  let done = 0;
  for (const [entry, name] of named(entries, taken)) {
    const file = await folder.getFileHandle(name, { create: true });
    const stream = await file.createWritable();
    await (await blobOf(entry)).stream().pipeTo(stream);
    report(`copying: ${++done} of ${entries.length}`);
  }
  return `${count(done)} copied to ${folder.name}.`;
}

/** Offer pictures as one ZIP: a line that says so. */
export async function zip(entries) {
  const files = named(entries, new Set());
  async function* contents() {
    for (const [entry, name] of files) {
      yield { name, lastModified: new Date(entry.lastModified ?? 0), input: await blobOf(entry) };
    }
  }
  save("pictures.zip", await downloadZip(contents()).blob());
  return `${count(entries.length)} in pictures.zip.`;
}

const count = (number) => `${number} ${number === 1 ? "picture" : "pictures"}`;

/** [entry, name] pairs in which no name comes twice, nor is one of those that are taken. */
function named(entries, taken) {
  return entries.map((entry) => {
    const last = nameOf(entry).split("/").at(-1);
    const [, stem, ending] = /^(.*?)(\.[^.]*)?$/s.exec(last);
    const suffix = ending ?? (entry.src ? ".webp" : "");
    let name = `${stem}${suffix}`;
    for (let number = 2; taken.has(name.toLowerCase()); number++) name = `${stem} (${number})${suffix}`;
    taken.add(name.toLowerCase());
    return [entry, name];
  });
}

/** [{entry, cosine}] as CSV: path, cosine, bytes, and when the file was changed. */
export function toCsv(rows) {
  const lines = rows.map(({ entry, cosine }) => {
    const { path, bytes, modified } = facts(entry);
    return [path, cosine.toFixed(6), bytes ?? "", modified ?? ""].map(cell).join(",");
  });
  return new Blob([`path,cosine,bytes,modified\r\n${lines.join("\r\n")}\r\n`], { type: "text/csv" });
}

const cell = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);

/** The same with what was asked, and which files computed it. */
export const toJson = (rows, { query, ...about }) => ({
  query, ...about, results: rows.map(({ entry, cosine }) => ({ ...facts(entry), cosine })),
});

function facts(entry) {
  if (entry.src) return { path: nameOf(entry) };
  return { path: nameOf(entry), bytes: entry.size, modified: new Date(entry.lastModified).toISOString() };
}
