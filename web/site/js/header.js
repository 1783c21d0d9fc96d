// The part that all pages share: the choice of model, variant and runtime, and what it means.

import { files, load, parity, pictureFile, RUNTIMES, variants, withheld } from "./catalogue.js";
import { element } from "./element.js";
import { Engine, Replaced } from "./engine.js";

const REMEMBERED = "clip-onnx.choice";
const DEFAULT_VARIANT = "int8w";

const pickers = Object.fromEntries(
  ["model", "variant", "runtime"].map((name) => [name, document.getElementById(name)]),
);
const status = document.getElementById("status");
const errorBox = document.getElementById("error");
const withheldNote = document.getElementById("withheld");

/**
 * Fill the header. `changed` is called with the site, now and after each change:
 * {model, variant, runtime, files, engine, started}; its `engine` is new each time.
 */
export async function open(changed) {
  const main = document.querySelector("main");
  keepAddress();
  let site;
  const start = async (cache) => {
    const again = () => start("reload");
    const update = (catalogue, how) => {
      site?.engine.close();
      site = choose(catalogue, how, again);
      remember(site);
      changed(site);
    };
    errorBox.hidden = true;
    try {
      demand();
      const catalogue = await load();
      fill(catalogue, () => update(catalogue, "default"));
      main.hidden = main.inert = false;
      update(catalogue, cache);
    } catch (error) {
      showError(error, again);
      main.hidden = true;
    }
  };
  await start("default");
}

/** What the pages cannot do without. */
function demand() {
  if (typeof WebAssembly === "undefined") throw new Error("This browser has no WebAssembly.");
  if (!globalThis.crypto?.subtle) {
    throw new Error(
      "Model files cannot be checked at this address, so none is used: open it by https, or on localhost.",
    );
  }
}

/** Say what keeps the page from working, where everybody sees it, with a button to try `again`. */
function showError(error, again) {
  status.textContent = "";
  const button = element("button", { type: "button", onclick: again }, "Try again");
  errorBox.replaceChildren(error.message, " ", button);
  errorBox.hidden = false;
}

/** Links to the other pages keep ?models=…. */
function keepAddress() {
  for (const link of document.querySelectorAll("nav a")) link.search = location.search;
}

/** Fill the pickers with what was chosen last, and call `update` after each change. */
function fill({ models }, update) {
  const wanted = remembered();
  pickers.model.replaceChildren(...models.map((model) => {
    const option = new Option(model.name);
    option.disabled = !offered(model).length;
    return option;
  }));
  if (!select(pickers.model, wanted.model)) throw new Error("No model's files run rightly in this browser.");
  const follow = (variant, runtime) => {
    const model = models.find(({ name }) => name === pickers.model.value);
    pickers.variant.replaceChildren(...offered(model).map((name) => new Option(name)));
    select(pickers.variant, variant, DEFAULT_VARIANT);
    fillRuntimes(model, runtime);
  };
  follow(wanted.variant, wanted.runtime);
  for (const picker of Object.values(pickers)) {
    picker.disabled = false;
    picker.onchange = () => {
      if (picker !== pickers.runtime) follow(pickers.variant.value, pickers.runtime.value);
      update();
    };
  }
}

const missing = (runtime) => runtime === "webgpu" && !navigator.gpu;

/** A model's variants that some runtime of this browser runs rightly. */
function offered(model) {
  const able = Object.keys(RUNTIMES).filter((runtime) => !missing(runtime));
  return variants(model).filter((variant) => able.some((runtime) => !withheld(model, variant, runtime)));
}

function fillRuntimes(model, wanted) {
  const reasons = [];
  const options = Object.entries(RUNTIMES).map(([value, label]) => {
    const option = new Option(label, value);
    const reason = withheld(model, pickers.variant.value, value);
    option.disabled = missing(value) || Boolean(reason);
    if (missing(value)) option.textContent += " (not in this browser)";
    else if (reason) option.textContent += " (gives wrong results)";
    if (reason) reasons.push(`${label} is not offered for ${model.name}. ${reason}.`);
    return option;
  });
  pickers.runtime.replaceChildren(...options);
  select(pickers.runtime, wanted);
  withheldNote.textContent = reasons.join(" ");
  withheldNote.hidden = !reasons.length;
}

/** Choose the first of some values that can be chosen, or what comes first: whether there is any. */
function select(picker, ...values) {
  const able = [...picker.options].filter((option) => !option.disabled);
  const named = values.map((value) => able.find((option) => option.value === value));
  const option = named.find(Boolean) ?? able[0];
  picker.selectedIndex = option ? option.index : -1;
  return Boolean(option);
}

function choose({ base, models }, cache, again) {
  const model = models.find(({ name }) => name === pickers.model.value);
  const [variant, runtime] = [pickers.variant.value, pickers.runtime.value];
  const chosen = files(base, model, variant, runtime);
  errorBox.hidden = true;
  const refused = (error) => showError(error, again);
  const engine = new Engine(chosen, runtime, cache, { report: showProgress, refused });
  const site = { model, variant, runtime, files: chosen, engine };
  status.textContent = `starting ${RUNTIMES[runtime]} …`;
  site.started = engine.started.then(({ threads }) => {
    site.summary = summary(site, threads);
    showSummary(site);
    return site;
  });
  site.started.catch((error) => error instanceof Replaced || showError(error, again));
  return site;
}

function showProgress({ path, loaded, total }) {
  status.textContent = `loading ${path.split("/").at(-1)}: ${Math.round((100 * loaded) / total)} %`;
}

/** Put the summary back after a download. */
export function showSummary(site) {
  status.replaceChildren(...site.summary);
}

const megabytes = (file) => `${((file.bytes + (file.data?.bytes ?? 0)) / 1e6).toFixed(1)} MB`;

function summary(site, threads) {
  const isolated = self.crossOriginIsolated;
  const runtime = site.runtime === "webgpu"
    ? "ONNX Runtime Web, WebGPU"
    : `ONNX Runtime Web, ${threads} ${threads === 1 ? "thread" : "threads"}`;
  const parts = [
    `${described("pictures", pictureFile(site.files), site)}; `
    + `${described("text", site.files.textual, site)}. ${runtime}`,
  ];
  if (site.runtime === "wasm" && !isolated) {
    const note = " (this server does not send the headers that threads need)";
    parts.push(element("span", { className: "note" }, note));
  }
  return parts;
}

function described(what, file, { runtime }) {
  if (!file) return `${what}: no file`;
  return `${what}: ${file.variant}, ${megabytes(file)}, ${inWords(parity(file, runtime))}`;
}

function inWords(measured) {
  if (!measured) return "parity not measured";
  const { cosine_min: cosine, inputs, measured_in: place, note } = measured;
  const where = note ? `${place}, ${note}` : place;
  return `cosine to PyTorch ≥ ${cosine.toFixed(7)} (${inputs} inputs in ${where})`;
}

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(REMEMBERED)) ?? {};
  } catch {
    return {};
  }
}

function remember({ model, variant, runtime }) {
  try {
    localStorage.setItem(REMEMBERED, JSON.stringify({ model: model.name, variant, runtime }));
  } catch {
    // Storage may be switched off; the choice then lasts as long as the page.
  }
}
