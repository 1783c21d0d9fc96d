// The search page: a folder of pictures, found by a text or by another picture.

import { origin } from "./catalogue.js";
import { clean } from "./cleaning.js";
import { element } from "./element.js";
import { Replaced } from "./engine.js";
import { Folder } from "./folder.js";
import { open, showSummary } from "./header.js";
import * as store from "./store.js";
import { thumbnail } from "./thumbnail.js";
import { best, dot, normalize } from "./vectors.js";

const PAGE = 24;
const at = (id) => document.getElementById(id);
let site, folder, running, query = null, queries = 0, shown = PAGE;
let results = new Map(); // File → result, of those on the page

async function index() {
  if (!site) return;
  running?.abort("replaced");
  const control = running = new AbortController();
  const current = site;
  at("cancel").hidden = at("cancel").disabled = false;
  at("resume").hidden = true;
  at("progress").hidden = false;
  showProgress();
  try {
    const { engine } = current;
    await folder.index(engine, origin(current), at("orient").checked, control.signal, showProgress);
    showSummary(await current.started);
  } catch (error) {
    if (error instanceof Replaced || control.signal.reason === "replaced") return;
    at("folder-status").textContent = error.message;
    control.abort("failed");
  }
  if (control.signal.reason === "replaced") return;
  finish(control.signal.reason);
}

function showProgress() {
  at("progress").max = folder.pictures.length;
  at("progress").value = folder.done;
  at("folder-status").textContent = `indexing: ${folder.done} of ${folder.pictures.length}`;
}

async function finish(reason) {
  at("cancel").hidden = at("progress").hidden = true;
  at("resume").hidden = folder.missing.length === 0;
  if (reason === "cancelled" && !at("resume").hidden) at("resume").focus();
  if (reason !== "failed") at("folder-status").textContent = summary();
  showFailed();
  await showForget();
  if (query) show();
}

function summary() {
  const { pictures, vectors, remembered, missing, failed, other } = folder;
  if (pictures.length === 0) return `No pictures in this folder; other files: ${other}.`;
  return [
    `${vectors.size} of ${pictures.length} pictures indexed`,
    remembered && `${remembered} of them remembered`,
    missing.length && `${missing.length} to go`,
    failed.size && `${failed.size} could not be embedded`,
    other && `${other} other ${other === 1 ? "file" : "files"} ignored`,
  ].filter(Boolean).join(", ") + ".";
}

function showFailed() {
  const [title, list] = at("failed").children;
  at("failed").hidden = folder.failed.size === 0;
  title.textContent = `${folder.failed.size} pictures could not be embedded`;
  list.replaceChildren(...[...folder.failed].map(([file, reason]) =>
    element("li", {}, `${path(file)}: ${reason}`)));
}

async function showForget() {
  const count = await store.count().catch(() => 0);
  at("forget").hidden = count === 0;
  if (!folder && count) {
    at("folder-status").textContent =
      `No folder is open. ${count} embeddings are remembered from earlier visits.`;
  }
}

const path = (file) => file.webkitRelativePath || file.name;

/** Rank the folder by {title, vector}: the query's name and unit vector. */
async function search(title, compute) {
  if (!folder?.vectors.size) {
    announce("Open a folder of pictures first: there is nothing to search.");
    return;
  }
  const current = site;
  const number = ++queries;
  query = null;
  announce("searching …");
  try {
    const vector = normalize(await compute(current.engine));
    showSummary(await current.started);
    if (number !== queries) return; // a later query goes before it
    query = { title, vector };
    shown = PAGE;
    show();
    at("results-title").focus();
  } catch (error) {
    if (number === queries && !(error instanceof Replaced)) announce(error.message);
  }
}

function announce(text) {
  at("results-title").hidden = false;
  at("results-title").textContent = text;
  at("results").replaceChildren();
  at("more").hidden = true;
}

/** No query, nor one under way. */
function forgetQuery() {
  query = null;
  queries += 1;
  results.clear();
  announce("");
  at("results-title").hidden = true;
}

/** Rank what is indexed. Results that stay keep their thumbnails and the keyboard's focus. */
function show() {
  const files = [...folder.vectors.keys()];
  const cosines = files.map((file) => dot(query.vector, folder.vectors.get(file)));
  const focused = document.activeElement;
  announce(`${query.title}: the closest of ${files.length}`);
  const before = results;
  results = new Map(best(cosines, shown).map((place) => {
    const made = before.get(files[place]) ?? result(files[place]);
    made.note.textContent = `cosine ${cosines[place].toFixed(3)}`;
    return [files[place], made];
  }));
  at("results").replaceChildren(...[...results.values()].map(({ item }) => item));
  at("more").hidden = shown >= files.length;
  if (focused?.isConnected) focused.focus({ preventScroll: true });
  drawThumbnails(results);
}

/** A result as the page's list shows it: {item, note, picture}, picture its thumbnail. */
function result(file) {
  const name = path(file);
  const picture = thumbnail(file, name);
  const note = element("span", { className: "times" });
  const similar = element("button", { type: "button", "aria-label": `Similar to ${name}` }, "Similar");
  similar.onclick = () => search(`Like ${name}`, () => folder.vectors.get(file));
  const item = element("li", {}, picture.canvas, element("span", {}, name), note, similar);
  return { item, note, picture };
}

/** One after another, as each is decoded at its full size, until other results are shown. */
async function drawThumbnails(wanted) {
  for (const { picture } of wanted.values()) {
    if (results !== wanted) return;
    await picture.draw();
  }
}

async function embedText(engine, text) {
  const { rows: [row] } = await engine.request("texts", { texts: [clean(text)] });
  return row.embeds;
}

async function embedPicture(engine, blob) {
  const { embeds } = await engine.request("picture", { blob, orient: at("orient").checked });
  return embeds;
}

at("folder").onchange = ({ target }) => {
  folder = new Folder(target.files);
  forgetQuery();
  target.value = "";
  index();
};
at("cancel").onclick = () => {
  running.abort("cancelled");
  at("cancel").disabled = true; // until the batch under way is done
};
at("resume").onclick = index;
at("forget").onclick = async () => {
  await store.clear();
  at("forget").hidden = true;
  at("folder-status").textContent = "All embeddings are forgotten.";
};
at("form").onsubmit = (event) => {
  event.preventDefault();
  const text = at("query").value.trim();
  if (site && text) search(`“${text}”`, (engine) => embedText(engine, text));
};
at("example").onchange = ({ target }) => {
  const [blob] = target.files;
  target.value = "";
  if (site && blob) search(`Like ${blob.name}`, (engine) => embedPicture(engine, blob));
};
at("more").onclick = () => {
  shown += PAGE;
  show();
};

/** Vectors of one model, or of turned pictures, say nothing about those of another. */
function again() {
  running?.abort("replaced");
  forgetQuery();
  folder.forgetModel();
  index();
}

at("orient").onchange = () => folder && again();
showForget();
open((next) => {
  site = next;
  if (folder) again();
});
