// The text page: tokens, embeddings and similarities of a few texts.

import { parity } from "./catalogue.js";
import { keep } from "./drafts.js";
import { download, element } from "./element.js";
import { Replaced, Unready } from "./engine.js";
import { open } from "./header.js";
import { acceptPictures } from "./picking.js";
import { strip } from "./strip.js";
import { dot, normalize } from "./vectors.js";

const TEXTS = ["a photo of a large red circle.", "a big circle, red", "a small blue star", "ein roter Kreis"];
const at = (id) => document.getElementById(id);
let site, wanted = null, shown = null; // the texts that were asked for; those that are shown
let pictures = []; // Files to compare with them

keep([[at("texts"), TEXTS.join("\n")]]);

async function embed() {
  const texts = at("texts").value.split("\n").map((line) => line.trim()).filter(Boolean);
  wanted = texts.length ? texts : null;
  shown = null;
  at("save").disabled = true;
  if (!wanted) {
    say("empty", "No text yet.");
    return;
  }
  say("empty", "embedding …");
  try {
    await answer(site, texts);
  } catch (error) {
    if (wanted === texts && !(error instanceof Replaced)) say("error", error.message);
  }
}

/** Show the embeddings of texts, unless others are wanted once they are there. */
async function answer(current, texts) {
  const { rows, times } = await current.engine.texts(texts);
  const beside = await Promise.all(pictures.map((blob) => embedPicture(blob, current)));
  if (wanted !== texts) return;
  shown = rows.map((row, place) => ({ text: texts[place], ...row }));
  show(times, beside);
  at("results").firstElementChild.scrollIntoView({ block: "nearest" });
}

/** A picture as the table takes it. Throws an Error that names it. */
async function embedPicture(blob, { engine }) {
  try {
    const { embeds } = await engine.request("picture", { blob, orient: false });
    return { text: blob.name, embeds };
  } catch (error) {
    if (error instanceof Replaced || error instanceof Unready) throw error;
    pictures = pictures.filter((other) => other !== blob);
    at("drop-pictures").hidden = !pictures.length;
    throw new Error(`${blob.name}: ${error.message}`);
  }
}

function compare(files) {
  pictures = files;
  at("drop-pictures").hidden = !files.length;
  if (site) embed();
}

function say(className, text) {
  at("results").replaceChildren(element("p", { className }, text));
}

function show({ load, embed: time }, beside) {
  at("save").disabled = false;
  const loaded = load > 1 ? `, model loaded in ${Math.round(load)} ms` : "";
  const note = `${shown.length} ${shown.length === 1 ? "text" : "texts"} in ${Math.round(time)} ms${loaded}`;
  at("announce").textContent = note;
  at("results").replaceChildren(
    element("p", { className: "times" }, note),
    ...(shown.length + beside.length > 1 ? [similarities([...shown, ...beside])] : []),
    ...shown.map(described),
  );
}

function described(row) {
  const count = row.ids.length + row.cut.length;
  const note = row.cut.length
    ? `${count} tokens, of which the model reads ${row.ids.length}: ${row.cut.length} are cut`
    : `${count} tokens`;
  const body = element("div", {}, element("h2", {}, row.text),
    element("p", { className: row.cut.length ? "error" : "times" }, note), tokens(row), strip(row.embeds));
  return element("article", { className: "card" }, body);
}

/** Start and end token at the edges, what was cut before the end, as in the text. */
function tokens({ ids, tokens: words, cut }) {
  const item = (text, title, className = "") => element("li", { title, className }, text);
  const edge = (place) => item(place ? "end" : "start", `${ids.at(place)}`, "edge");
  return element("ol", { className: "tokens", "aria-label": "Tokens" },
    edge(0),
    ...words.slice(1, -1).map((word, place) => item(word, `${ids[place + 1]}`)),
    ...cut.map((word) => item(word, "cut off", "cut")),
    edge(-1));
}

function similarities(all) {
  const vectors = all.map((row) => normalize(row.embeds));
  const head = element("tr", {}, element("td"), ...all.map((_, place) =>
    element("th", { scope: "col" }, `${place + 1}`)));
  const rows = all.map((row, place) => element("tr", {},
    element("th", { scope: "row" }, `${place + 1}  ${short(row.text)}`),
    ...vectors.map((other) => cell(dot(vectors[place], other)))));
  const caption = element("caption", { className: "note" }, all.length > shown.length
    ? "Cosine between texts and pictures" : "Cosine between the texts");
  const table = element("table", {}, caption, element("thead", {}, head), element("tbody", {}, ...rows));
  return element("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "Similarities" }, table);
}

const short = (text) => (text.length > 60 ? `${text.slice(0, 59)}…` : text);

function cell(cosine) {
  const made = element("td", {}, cosine.toFixed(3));
  made.style.setProperty("--share", Math.max(0, cosine));
  return made;
}

at("form").onsubmit = (event) => {
  event.preventDefault();
  if (site) embed();
};
at("texts").onkeydown = (event) => {
  if (event.key === "Enter" && event.ctrlKey) at("form").requestSubmit();
};
at("save").onclick = () => download("texts.json", {
  model: site.model.name, variant: site.files.textual.variant, file: site.files.textual.path,
  sha256: site.files.textual.sha256, runtime: site.runtime,
  parity: parity(site.files.textual, site.runtime),
  texts: shown.map(({ text, ids, cut, embeds }) => ({
    text, input_ids: ids, cut, text_embeds: Array.from(embeds),
  })),
});

acceptPictures((files) => compare([...pictures, ...files]));
at("drop-pictures").onclick = () => compare([]);

open((next) => {
  site = next;
  if (wanted) embed();
});
