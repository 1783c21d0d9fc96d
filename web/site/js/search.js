// The front page: pictures found by texts and pictures. First the drawings that ship, then those of a
// folder.

import * as address from "./address.js";
import { configured, parity, pictureFile } from "./catalogue.js";
import { afterTyping, element } from "./element.js";
import { Replaced } from "./engine.js";
import { blobOf, nameOf } from "./entry.js";
import { Folder } from "./folder.js";
import { Gallery } from "./gallery.js";
import { open } from "./header.js";
import { Indexing } from "./indexing.js";
import { Opening } from "./opening.js";
import { acceptPictures } from "./picking.js";
import { titleOf, vectorOf } from "./query.js";
import { Results } from "./results.js";

const PAUSE = 200; // ms of quiet while one types
const at = (id) => document.getElementById(id);
const indexing = new Indexing(() => show(shown?.found === found && shown.of === collection()));
const results = new Results(askLike, about);
let site = null;
let gallery; // undefined until it is known whether there is one, then it or null
let asked = null; // {text, picture}: what is looked for, also once another model is chosen
let found = null; // {title, vector}: what that gave
let shown = null; // {found, of}: whose results are on the page

const collection = () => indexing.folder ?? gallery;

/** Look for {text, picture}, and show what is found unless something else is asked meanwhile. */
async function ask(wanted) {
  asked = wanted;
  found = null;
  at("like").hidden = !wanted.picture;
  at("like").firstElementChild.textContent = wanted.picture ? `Like ${wanted.picture.name}` : "";
  const title = titleOf(wanted);
  if (!title) results.announce("");
  else if (!site || gallery === undefined) results.wait(`${title}: searching …`); // `changed` asks again
  else if (!collection()) results.announce("Open a folder of pictures first: there is nothing to search.");
  else await answer(wanted, title, site);
}

async function answer(wanted, title, { engine, variant }) {
  const current = site;
  // Vectors that came with the pages are of one variant, and for the drawings.
  const shipped = !indexing.folder && variant === gallery.variant;
  const known = (text) => (shipped ? gallery.queries.get(text) : undefined);
  if (wanted.picture || !known(wanted.text)) results.wait(`${title}: searching …`);
  try {
    const vector = await vectorOf(wanted, engine, at("orient").checked, known);
    if (asked !== wanted || site !== current) return;
    found = { title, vector };
    show();
  } catch (error) {
    if (asked === wanted && !(error instanceof Replaced)) results.announce(error.message);
  }
}

/** What is found so far in what is indexed so far; `again`: a reader has seen a part of it. */
function show(again = false) {
  const current = collection();
  at("origin").hidden = current !== gallery;
  at("origin").textContent = gallery?.note ?? "";
  if (!found) return;
  shown = current.vectors.size ? { found, of: current } : null;
  if (shown && again) results.rankAgain(current, found);
  else if (shown) results.rank(current, found);
  else results.announce(`${found.title}: no picture is indexed yet.`);
}

/** What was asked, and of whom: for files that are taken along. */
function about() {
  const { model, variant, runtime, files } = site;
  const file = pictureFile(files);
  return {
    query: titleOf(asked), model: model.name, variant, runtime,
    file: file.path, sha256: file.sha256, parity: parity(file, runtime),
  };
}

let heard = null; // what the field said when it was last listened to
let draft = false; // whether what is being typed is in the address already

/** Look for what the field says; while one types, only if that is new. */
function listen(typing) {
  const text = at("query").value.trim();
  if (!site || (typing && text === heard)) return;
  heard = text;
  // One step back for a text, not one for each of its letters.
  address.set({ q: text, model: site.model.name, variant: site.variant }, !draft);
  draft = typing;
  if (asked?.text !== text) ask({ text, picture: asked?.picture });
}

/** Look for a picture {name, vector?, blob}, of which words may then add or take something. */
function askPicture(picture) {
  at("query").value = heard = "";
  draft = false;
  address.set({ q: null }, true);
  ask({ text: "", picture });
}

function askLike(entry) {
  askPicture({
    name: nameOf(entry), vector: () => collection().vectors.get(entry), blob: () => blobOf(entry),
  });
}

function askBlob(blob) {
  if (blob) askPicture({ name: blob.name, blob: () => blob });
}

/** Look through a folder, or with null through the drawings. What is asked stays asked. */
function turnTo(folder) {
  indexing.open(folder);
  at("drawings").hidden = !folder || !gallery;
  at("add").hidden = !folder;
  indexing.start(site);
  show();
  if (site && asked && !found) ask(asked);
}

/** Look through a folder's files, or through them and what is open already. */
function openFiles(files, beside, unread) {
  const folder = beside && indexing.folder;
  if (folder) folder.add(files, unread);
  turnTo(folder || new Folder(files, unread));
}

const opening = new Opening(openFiles, (text) => indexing.say(text));
at("drawings").onclick = () => {
  opening.stop();
  turnTo(null);
};
at("form").onsubmit = (event) => {
  event.preventDefault();
  listen(false);
};
at("query").oninput = afterTyping(() => listen(true), PAUSE);
at("example").onchange = ({ target }) => {
  askBlob(target.files[0]);
  target.value = "";
};
at("like").lastElementChild.onclick = () => {
  ask({ text: asked.text, picture: null });
  at("query").focus();
};
acceptPictures(([file]) => askBlob(file), (files) => {
  opening.stop();
  openFiles(files, false, 0);
});
/** Vectors of turned pictures say nothing about those of others. */
at("orient").onchange = () => {
  indexing.folder?.forgetModel();
  if (indexing.folder) turnTo(indexing.folder);
};
address.onBack(() => {
  draft = false;
  at("query").value = heard = address.get("q") ?? first();
  if (site) ask({ text: heard, picture: null });
});

/** The query that the page opens with. */
const first = () => gallery?.queries.keys().next().value ?? "";

function showQueries() {
  at("queries").replaceChildren(...[...(gallery?.queries.keys() ?? [])].map((text) => {
    const button = element("button", { type: "button" }, text);
    button.onclick = () => {
      at("query").value = text;
      draft = false;
      listen(false);
    };
    return button;
  }));
}

/** Have the text tower ready for the first word, unless the visitor saves data. */
function warm({ engine }) {
  if (navigator.connection?.saveData) return;
  const later = globalThis.requestIdleCallback ?? setTimeout;
  later(() => engine.request("warm").catch(() => {}));
}

async function changed(next) {
  site = next;
  indexing.stop();
  indexing.folder?.forgetModel();
  found = null;
  if (indexing.folder) indexing.showProgress();
  if (asked && titleOf(asked)) results.wait(`${titleOf(asked)}: searching …`);
  at("files").href = `report.html#${site.model.name}`;
  const opened = await Gallery.open(site.model);
  if (site !== next) return;
  gallery = opened;
  showQueries();
  if (!asked) {
    at("query").value = heard = address.get("q") ?? (at("query").value.trim() || first());
    asked = { text: heard, picture: null };
  }
  turnTo(indexing.folder);
  if (gallery || indexing.folder) warm(next);
}

configured().then(({ source }) => {
  if (source) Object.assign(at("source"), { href: source, hidden: false });
});
open(changed);
