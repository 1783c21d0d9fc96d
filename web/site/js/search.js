// The search page: a folder of pictures, found by a text or by another picture.

import { pictureFile } from "./catalogue.js";
import { clean } from "./cleaning.js";
import { element } from "./element.js";
import { Replaced } from "./engine.js";
import { Folder } from "./folder.js";
import { open, showSummary } from "./header.js";
import * as store from "./store.js";
import { best, dot, normalize } from "./vectors.js";

const PAGE = 24;
const at = (id) => document.getElementById(id);
let site, folder, running, query, shown = PAGE, addresses = [];

async function index() {
  running?.abort("replaced");
  const control = running = new AbortController();
  const current = site;
  at("cancel").hidden = at("cancel").disabled = false;
  at("resume").hidden = true;
  at("progress").hidden = false;
  try {
    const file = pictureFile(current.files);
    await folder.index(current.engine, file, at("orient").checked, control.signal, showProgress);
    showSummary(await current.started);
  } catch (error) {
    if (error instanceof Replaced) return;
    at("folder-status").textContent = error.message;
    control.abort("failed");
  }
  if (control.signal.reason === "replaced") return;
  finish(control.signal.reason);
}

function showProgress() {
  at("progress").max = folder.pictures.length;
  at("progress").value = folder.done;
  at("folder-status").textContent = `${folder.done} of ${folder.pictures.length} pictures indexed`;
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
    failed.size && `${failed.size} could not be read`,
    other && `${other} other ${other === 1 ? "file" : "files"} ignored`,
  ].filter(Boolean).join(", ") + ".";
}

function showFailed() {
  const [title, list] = at("failed").children;
  at("failed").hidden = folder.failed.size === 0;
  title.textContent = `${folder.failed.size} pictures could not be read`;
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
  announce("searching …");
  try {
    const vector = normalize(await compute(current.engine));
    showSummary(await current.started);
    query = { title, vector, compute };
    shown = PAGE;
    show();
    at("results-title").focus();
  } catch (error) {
    if (!(error instanceof Replaced)) announce(error.message);
  }
}

function announce(text) {
  at("results-title").hidden = false;
  at("results-title").textContent = text;
  at("results").replaceChildren();
  at("more").hidden = true;
}

function show() {
  const files = [...folder.vectors.keys()];
  const cosines = files.map((file) => dot(query.vector, folder.vectors.get(file)));
  announce(`${query.title}: the closest of ${files.length}`);
  addresses.forEach(URL.revokeObjectURL);
  addresses = [];
  at("results").replaceChildren(
    ...best(cosines, shown).map((place) => result(files[place], cosines[place])));
  at("more").hidden = shown >= files.length;
}

function result(file, cosine) {
  const src = URL.createObjectURL(file);
  addresses.push(src);
  const name = path(file);
  const picture = element("img", { loading: "lazy", decoding: "async", src, alt: name });
  const similar = element("button", { type: "button", "aria-label": `Similar to ${name}` }, "Similar");
  similar.onclick = () => search(`Like ${name}`, () => folder.vectors.get(file));
  return element("li", {}, picture, element("span", {}, name),
    element("span", { className: "times" }, `cosine ${cosine.toFixed(3)}`), similar);
}

async function embedText(engine, text) {
  const [row] = await engine.request("texts", { texts: [clean(text)] });
  return row.embeds;
}

async function embedPicture(engine, blob) {
  const { embeds } = await engine.request("picture", { blob, orient: at("orient").checked });
  return embeds;
}

at("folder").onchange = ({ target }) => {
  folder = new Folder(target.files);
  query = null;
  at("results-title").hidden = at("more").hidden = true;
  at("results").replaceChildren();
  target.value = "";
  if (site) index();
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
  query = null;
  at("results-title").hidden = at("more").hidden = true;
  at("results").replaceChildren();
  folder.forgetModel();
  index();
}

at("orient").onchange = () => folder && again();
showForget();
open((next) => {
  site = next;
  if (folder) again();
});
