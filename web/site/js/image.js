// The image page: pictures, their embeddings, and how well labels fit them.

import { bars } from "./bars.js";
import { parity, pictureFile } from "./catalogue.js";
import { keep } from "./drafts.js";
import { afterTyping, download, element } from "./element.js";
import { Replaced, Unready } from "./engine.js";
import { noneOf } from "./gallery.js";
import { open } from "./header.js";
import { acceptPictures } from "./picking.js";
import { showSamples } from "./samples.js";
import { strip } from "./strip.js";
import { dot, normalize, probabilities } from "./vectors.js";

const NONE = "none of these";
const LABELS = ["large red circle", "small blue star", "large green square", "large yellow heart"];
const at = (id) => document.getElementById(id);
const cards = [];
let site, labels = Promise.resolve([]), noFit = null; // noFit: the cosine below which no label fits
let decided = false; // whether the reader said if that is offered

keep([[at("labels"), LABELS.join("\n")], [at("template"), "a photo of a {}."]]);

/** One picture on the page: what was chosen, where it shows, and what the model made of it. */
class Card {
  constructor(blob, name) {
    this.blob = blob;
    this.name = name;
    this.body = element("div");
    const src = URL.createObjectURL(blob);
    this.picture = element("img", { src, alt: `The picture ${name}` });
    this.picture.onerror = () => { this.picture.hidden = true; };
    this.article = element("article", { className: "card" }, this.picture, this.body);
  }

  /** Ask the model anew, if one is chosen; an answer to an earlier call is dropped. */
  async embed() {
    if (!site) return;
    const current = site, request = this.request = {};
    this.result = null;
    this.say("embedding …");
    const orient = at("orient").checked;
    // The page shows what the model sees.
    this.picture.style.imageOrientation = orient ? "from-image" : "none";
    const classify = at("classify").checked;
    try {
      const result = await current.engine.request("picture", { blob: this.blob, orient, classify });
      if (this.request !== request) return;
      this.result = { ...result, orient, site: current };
      await this.show();
    } catch (error) {
      if (this.request === request && !(error instanceof Replaced)) this.fail(error);
    }
  }

  say(text) {
    this.body.replaceChildren(element("h3", {}, this.name), element("p", { className: "times" }, text));
  }

  fail(error) {
    const message = element("p", { className: "error", role: "alert" }, `${this.name}: ${error.message}`);
    this.body.replaceChildren(message);
  }

  /** Show the result, if there is one, with the labels of this moment. */
  async show() {
    const { result } = this;
    const wanted = labels;
    if (!result) return;
    const rows = await wanted;
    if (this.result !== result || labels !== wanted) return; // another call shows what is new
    const parts = [element("h3", {}, this.name), facts(result)];
    if (rows.length) parts.push(bars(fits(result, rows)));
    if (result.probabilities) parts.push(...classified(result));
    const save = element("button", { type: "button" }, "Download the embedding as JSON");
    save.onclick = () => download(`${this.name}.json`, record(this.name, result));
    this.body.replaceChildren(...parts, strip(result.embeds), element("div", {}, save));
    at("announce").textContent = `${this.name}: ${this.body.querySelector(".bars li")?.innerText ?? "embedded"}`;
  }

  /** Take the card off the page, and its picture out of the memory. */
  remove() {
    this.request = this.result = null;
    this.article.remove();
    URL.revokeObjectURL(this.picture.src);
  }
}

function facts({ width, height, times, approximate }) {
  const text = [
    `${width} × ${height}`, `decoded in ${ms(times.decode)}`, `embedded in ${ms(times.embed)}`,
    times.load > 1 && `model loaded in ${ms(times.load)}`,
    approximate && "colours under transparency are approximate in this browser",
  ];
  return element("p", { className: "times" }, text.filter(Boolean).join(", "));
}

function classified(result) {
  const { labels: names, name } = result.site.files.classifier;
  const pairs = names.map((label, place) => [label, result.probabilities[place]]);
  return [element("p", {}, `${name}, ${names.length} labels built in:`), bars(pairs, 5)];
}

function record(picture, { embeds, width, height, orient, site: { model, variant, files, runtime } }) {
  const file = pictureFile(files);
  return {
    picture, width, height, exif_orientation: orient ? "applied" : "ignored",
    model: model.name, variant, file: file.path, sha256: file.sha256,
    runtime, parity: parity(file, runtime), image_embeds: Array.from(embeds),
  };
}

const ms = (time) => `${time < 10 ? time.toFixed(1) : Math.round(time)} ms`;

/** [label, probability] pairs; where none may fit, that is one more label. */
function fits({ embeds, site: { model } }, rows) {
  const picture = normalize(embeds);
  const cosines = rows.map(({ vector }) => dot(picture, vector));
  const names = rows.map(({ label }) => label);
  if (at("none").checked && noFit !== null) {
    names.push(NONE);
    cosines.push(noFit);
  }
  const shares = probabilities(cosines, model.logit_scale);
  return names.map((name, place) => [name, shares[place]]);
}

/** The typed labels' unit vectors: [{label, vector}]. */
async function embedLabels() {
  const template = at("template").value;
  const wrong = !template.includes("{}");
  at("template-error").hidden = !wrong;
  at("template-error").textContent = "The prompt needs {} where the label goes.";
  const names = at("labels").value.split("\n").map((line) => line.trim()).filter(Boolean);
  if (wrong || names.length === 0) return [];
  const { rows } = await site.engine.texts(names.map((name) => template.replaceAll("{}", name)));
  return rows.map((row, place) => ({ label: names[place], vector: normalize(row.embeds) }));
}

function refreshLabels() {
  if (!site) return;
  labels = embedLabels().catch((error) => {
    if (!(error instanceof Replaced || error instanceof Unready)) {
      at("template-error").textContent = error.message;
      at("template-error").hidden = false;
    }
    return [];
  });
}

function add(blob, name) {
  const card = new Card(blob, name);
  cards.unshift(card);
  at("results").prepend(card.article);
  showEmpty();
  card.article.scrollIntoView({ block: "nearest" });
  card.embed();
}

function clear() {
  for (const card of cards.splice(0)) card.remove();
  showEmpty();
  at("pictures").focus();
}

function showEmpty() {
  at("empty").hidden = cards.length > 0;
  at("clear").hidden = cards.length === 0;
}

function addAll(files) {
  for (const file of [...files].reverse()) add(file, file.name);
}

at("pictures").onchange = ({ target }) => {
  addAll(target.files);
  target.value = ""; // so that the same picture can be chosen again
};
at("orient").onchange = at("classify").onchange = () => cards.forEach((card) => card.embed());
at("labels").oninput = at("template").oninput = afterTyping(() => {
  refreshLabels();
  for (const card of cards) card.show();
});
at("none").onchange = () => {
  decided = true;
  for (const card of cards) card.show();
};
at("clear").onclick = clear;
acceptPictures(addAll);

/** What hangs on the model: those that ship know drawings only. */
async function follow({ model }) {
  const small = model.name.startsWith("tiny-");
  at("small").hidden = !small;
  showSamples(at("samples"), !small, add);
  noFit = await noneOf(model);
  at("none").closest("label").hidden = noFit === null;
  if (!decided) at("none").checked = small;
  at("none-cosine").textContent = noFit?.toFixed(2) ?? "";
  for (const card of cards) card.show();
}

open((next) => {
  site = next;
  follow(site);
  const { classifier } = site.files;
  at("classify").closest("label").hidden = !classifier;
  at("classify").checked &&= Boolean(classifier);
  at("classifier-name").textContent = classifier
    ? `${classifier.name}, ${classifier.variant}, ${classifier.labels.length} labels` : "";
  refreshLabels();
  for (const card of cards) card.embed();
});
