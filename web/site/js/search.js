// The front page: pictures found by a text or by another picture. First the drawings that ship, then
// those of a folder.

import { configured, origin } from "./catalogue.js";
import { clean } from "./cleaning.js";
import { afterTyping, element } from "./element.js";
import { nameOf } from "./entry.js";
import { Replaced } from "./engine.js";
import { Folder } from "./folder.js";
import { Gallery } from "./gallery.js";
import { open } from "./header.js";
import { Results } from "./results.js";
import * as store from "./store.js";
import { normalize } from "./vectors.js";

const PAUSE = 200; // ms of quiet while one types
const AGAIN = 2000; // ms between two rankings of a folder that is being indexed
const at = (id) => document.getElementById(id);
const results = new Results((picture) => {
  ask({ title: `Like ${nameOf(picture)}`, compute: () => collection().vectors.get(picture) });
});
let site, gallery = null, folder = null, running;
let asked = null; // {title, compute}: what is looked for, also once another model is chosen
let found = null; // {title, vector}: what that gave

const collection = () => folder ?? gallery;

/** Look for {title, text} or {title, compute}, and show what is found unless something else is asked. */
async function ask(wanted) {
  asked = wanted;
  found = null;
  if (!collection()) {
    results.announce("Open a folder of pictures first: there is nothing to search.");
    return;
  }
  const current = site;
  if (!shipped(wanted)) results.wait(`${wanted.title}: searching …`);
  try {
    const vector = normalize(shipped(wanted) ?? await compute(wanted, current));
    if (asked !== wanted || site !== current) return;
    found = { title: wanted.title, vector };
    show();
  } catch (error) {
    if (asked === wanted && !(error instanceof Replaced)) results.announce(error.message);
  }
}

/** The vector that came with the pages, or undefined. */
const shipped = ({ text }) => (
  !folder && site.variant === gallery.variant ? gallery.queries.get(text) : undefined
);

async function compute({ text, compute: other }, { engine }) {
  if (other) return other(engine);
  const { rows: [row] } = await engine.request("texts", { texts: [clean(text)] });
  return row.embeds;
}

let heard = null; // what the field said when it was last listened to

/** Look for what the field says; while one types, only if that is new. */
function listen(typing) {
  const text = at("query").value.trim();
  if (!site || !text || (typing && text === heard)) return;
  heard = text;
  if (asked?.text !== text) ask({ title: `“${text}”`, text });
}

async function embedPicture(engine, blob) {
  const { embeds } = await engine.request("picture", { blob, orient: at("orient").checked });
  return embeds;
}

/** What is found so far in what is indexed so far. */
function show() {
  const current = collection();
  at("origin").hidden = current !== gallery;
  at("origin").textContent = gallery?.note ?? "";
  if (!found) return;
  if (current.vectors.size) results.rank(current, found);
  else results.announce(`${found.title}: no picture is indexed yet.`);
}

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
  } catch (error) {
    if (error instanceof Replaced || control.signal.reason === "replaced") return;
    at("folder-status").textContent = error.message;
    control.abort("failed");
  }
  if (control.signal.reason === "replaced") return;
  finish(control.signal.reason);
}

let ranked = 0;

function showProgress() {
  at("progress").max = folder.pictures.length;
  at("progress").value = folder.done;
  at("folder-status").textContent = `indexing: ${folder.done} of ${folder.pictures.length}`;
  if (performance.now() - ranked < AGAIN) return;
  ranked = performance.now();
  show();
}

async function finish(reason) {
  at("cancel").hidden = at("progress").hidden = true;
  at("resume").hidden = folder.missing.length === 0;
  if (reason === "cancelled" && !at("resume").hidden) at("resume").focus();
  if (reason !== "failed") at("folder-status").textContent = folder.summary();
  showFailed();
  await showForget();
  show();
}

function showFailed() {
  const [title, list] = at("failed").children;
  at("failed").hidden = folder.failed.size === 0;
  title.textContent = `${folder.failed.size} pictures could not be embedded`;
  list.replaceChildren(...[...folder.failed].map(([file, reason]) =>
    element("li", {}, `${nameOf(file)}: ${reason}`)));
}

async function showForget() {
  const count = await store.count().catch(() => 0);
  at("forget").hidden = count === 0;
  if (!folder && count) {
    at("folder-status").textContent =
      `No folder is open. ${count} embeddings are remembered from earlier visits.`;
  }
}

/** Look through a folder, or with null through the drawings. What is asked stays asked. */
function turnTo(other) {
  running?.abort("replaced");
  folder = other;
  at("drawings").hidden = !folder || !gallery;
  if (folder) index();
  else {
    for (const id of ["cancel", "resume", "progress", "failed"]) at(id).hidden = true;
    at("folder-status").textContent = "No folder is open.";
  }
  show();
  if (asked && !found) ask(asked);
}

at("folder").onchange = ({ target }) => {
  turnTo(new Folder(target.files));
  target.value = "";
};
at("drawings").onclick = () => turnTo(null);
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
  listen(false);
};
at("query").oninput = afterTyping(() => listen(true), PAUSE);
at("example").onchange = ({ target }) => {
  const [blob] = target.files;
  target.value = "";
  if (site && blob) ask({ title: `Like ${blob.name}`, compute: (engine) => embedPicture(engine, blob) });
};
/** Vectors of turned pictures say nothing about those of others. */
at("orient").onchange = () => {
  if (!folder) return;
  folder.forgetModel();
  turnTo(folder);
};

function showQueries() {
  at("queries").replaceChildren(...[...(gallery?.queries.keys() ?? [])].map((text) => {
    const button = element("button", { type: "button" }, text);
    button.onclick = () => {
      at("query").value = text;
      listen(false);
    };
    return button;
  }));
}

/** Have the text tower ready for the first word, unless the visitor saves data. */
function warm(current) {
  if (navigator.connection?.saveData) return;
  const later = globalThis.requestIdleCallback ?? setTimeout;
  later(() => current.engine.request("warm").catch(() => {}));
}

async function changed(next) {
  site = next;
  running?.abort("replaced");
  folder?.forgetModel();
  found = null;
  if (folder) showProgress();
  if (asked) results.wait(`${asked.title}: searching …`);
  at("files").href = `report.html#${site.model.name}`;
  const opened = await Gallery.open(site.model);
  if (site !== next) return;
  gallery = opened;
  showQueries();
  if (!asked) at("query").value ||= gallery?.queries.keys().next().value ?? "";
  const text = at("query").value.trim();
  asked ??= text ? { title: `“${text}”`, text } : null;
  turnTo(folder);
  if (gallery || folder) warm(next);
}

showForget();
configured().then(({ source }) => {
  if (source) Object.assign(at("source"), { href: source, hidden: false });
});
open(changed);
