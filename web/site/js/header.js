// The part that all pages share: the choice of model, variant and runtime, and what it means.

import { files, load, parity, pictureFile, variants } from "./catalogue.js";
import { element } from "./element.js";
import { Engine, Replaced } from "./engine.js";

const REMEMBERED = "clip-onnx.choice";
const DEFAULT_VARIANT = "int8w";
const RUNTIMES = { wasm: "WebAssembly", webgpu: "WebGPU" };

const pickers = Object.fromEntries(
  ["model", "variant", "runtime"].map((name) => [name, document.getElementById(name)]),
);
const status = document.getElementById("status");

/**
 * Fill the header. `changed` is called with the site, now and after each change:
 * {model, variant, runtime, files, engine, started}; its `engine` is new each time.
 */
export async function open(changed) {
  keepAddress();
  let catalogue;
  try {
    if (typeof WebAssembly === "undefined") throw new Error("This browser has no WebAssembly.");
    catalogue = await load();
  } catch (error) {
    showError(error);
    document.querySelector("main").hidden = true;
    return;
  }
  let site;
  const update = () => {
    site?.engine.close();
    site = choose(catalogue);
    remember(site);
    changed(site);
  };
  fill(catalogue, remembered());
  for (const picker of Object.values(pickers)) {
    picker.disabled = false;
    picker.onchange = () => {
      if (picker === pickers.model) fillVariants(catalogue, pickers.variant.value);
      update();
    };
  }
  update();
  document.querySelector("main").inert = false;
}

/** Say what keeps the page from working, where everybody sees it. */
function showError(error) {
  status.textContent = "";
  const box = document.getElementById("error");
  box.textContent = error.message;
  box.hidden = false;
}

/** Links to the other pages keep ?models=…. */
function keepAddress() {
  for (const link of document.querySelectorAll("nav a")) link.search = location.search;
}

function fill({ models }, wanted) {
  pickers.model.replaceChildren(...models.map(({ name }) => new Option(name)));
  select(pickers.model, wanted.model);
  fillVariants({ models }, wanted.variant);
  for (const [value, label] of Object.entries(RUNTIMES)) {
    const option = new Option(label, value);
    option.disabled = value === "webgpu" && !navigator.gpu;
    if (option.disabled) option.textContent += " (not in this browser)";
    pickers.runtime.append(option);
  }
  select(pickers.runtime, wanted.runtime);
}

function fillVariants({ models }, wanted) {
  const model = models.find(({ name }) => name === pickers.model.value);
  const names = variants(model);
  pickers.variant.replaceChildren(...names.map((name) => new Option(name)));
  select(pickers.variant, names.includes(wanted) ? wanted : DEFAULT_VARIANT);
}

/** Choose an option by value, or leave the first one. */
function select(picker, value) {
  const option = [...picker.options].find((each) => each.value === value && !each.disabled);
  picker.selectedIndex = option ? option.index : 0;
}

function choose({ base, models }) {
  const model = models.find(({ name }) => name === pickers.model.value);
  const [variant, runtime] = [pickers.variant.value, pickers.runtime.value];
  const chosen = files(base, model, variant, runtime);
  document.getElementById("error").hidden = true;
  const engine = new Engine(chosen, runtime, showProgress);
  const site = { model, variant, runtime, files: chosen, engine };
  status.textContent = `starting ${RUNTIMES[runtime]} …`;
  site.started = engine.started.then(({ threads }) => {
    site.summary = summary(site, threads);
    showSummary(site);
    return site;
  });
  site.started.catch((error) => error instanceof Replaced || showError(error));
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
  const measured = parity(file, runtime);
  const words = measured
    ? [`cosine to PyTorch ≥ ${measured.cosine_min.toFixed(7)}`, measured.note]
    : ["parity not measured"];
  return [`${what}: ${file.variant}`, megabytes(file), ...words].filter(Boolean).join(", ");
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
