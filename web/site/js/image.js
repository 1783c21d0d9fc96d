// The image page: pictures, their embeddings, and how well labels fit them.

import { parity, pictureFile } from "./catalogue.js";
import { clean } from "./cleaning.js";
import { afterTyping, download, element } from "./element.js";
import { Replaced, Unready } from "./engine.js";
import { open, showSummary } from "./header.js";
import { strip } from "./strip.js";
import { best, normalize, probabilities } from "./vectors.js";

const SHOWN = 10;
const LABELS = [
  "large red circle", "small blue star", "large green square", "large yellow heart", "cat", "rocket",
];
const at = (id) => document.getElementById(id);
const cards = [];
let site, labels = Promise.resolve([]);

at("labels").value ||= LABELS.join("\n");
at("template").value ||= "a photo of a {}.";

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
      showSummary(await current.started);
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
    if (rows.length) parts.push(bars(fits(result.embeds, rows, result.site.model.logit_scale)));
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

function fits(embeds, rows, scale) {
  const values = probabilities(normalize(embeds), rows.map((row) => row.vector), scale);
  return rows.map((row, place) => [row.label, values[place]]);
}

/** The best of [label, probability] pairs as a list of bars. */
function bars(pairs, count = SHOWN) {
  const places = best(pairs.map((pair) => pair[1]), count);
  return element("ol", { className: "bars" }, ...places.map((place) => {
    const [label, share] = pairs[place];
    const row = element("li", {}, element("span", {}, label), element("span", {}, percent(share)));
    row.style.setProperty("--share", share);
    return row;
  }));
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;

/** The typed labels' unit vectors: [{label, vector}]. */
async function embedLabels() {
  const template = at("template").value;
  const wrong = !template.includes("{}");
  at("template-error").hidden = !wrong;
  at("template-error").textContent = "The prompt needs {} where the label goes.";
  const names = at("labels").value.split("\n").map((line) => line.trim()).filter(Boolean);
  if (wrong || names.length === 0) return [];
  const texts = names.map((name) => clean(template.replaceAll("{}", name)));
  const { rows } = await site.engine.request("texts", { texts });
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

async function showSamples() {
  const response = await fetch("samples/index.json").catch(() => null);
  if (!response?.ok) return;
  for (const { file, label } of await response.json()) {
    const picture = element("img", { src: `samples/${file}`, alt: label, loading: "lazy" });
    const button = element("button", { type: "button", title: label }, picture);
    button.onclick = async () => add(await (await fetch(picture.src)).blob(), file);
    at("samples").append(button);
  }
}

function acceptDrops(zone) {
  const hold = (event) => {
    event.preventDefault();
    zone.classList.toggle("over", event.type === "dragover");
  };
  for (const type of ["dragover", "dragleave", "drop"]) zone.addEventListener(type, hold);
  zone.addEventListener("drop", (event) => addAll(event.dataTransfer.files));
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
at("clear").onclick = clear;
acceptDrops(document.body);
showSamples();

open((next) => {
  site = next;
  const { classifier } = site.files;
  at("small").hidden = !site.model.name.startsWith("tiny-"); // those that ship
  at("classify").closest("label").hidden = !classifier;
  at("classify").checked &&= Boolean(classifier);
  at("classifier-name").textContent = classifier
    ? `${classifier.name}, ${classifier.variant}, ${classifier.labels.length} labels` : "";
  refreshLabels();
  for (const card of cards) card.embed();
});
