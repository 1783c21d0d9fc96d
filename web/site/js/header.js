// The part that all pages share: which model runs, what has come of it, and what went wrong.

import * as address from "./address.js";
import { Badges } from "./badges.js";
import { files, load, pictureFile, RUNTIMES } from "./catalogue.js";
import { Downloads } from "./downloads.js";
import { element } from "./element.js";
import { Engine, Replaced } from "./engine.js";
import { forgetOthers } from "./keeping.js";
import { chosen, fill, remember } from "./pickers.js";

const at = (id) => document.getElementById(id);
const downloads = new Downloads(at("loading"));
const verified = new Set(); // digests
const badges = new Badges(at("badges"), verified);

/**
 * Fill the header. `changed` is called with the site, now and after each change:
 * {model, variant, runtime, files, engine, started}; its `engine` is new each time.
 */
export async function open(changed) {
  const main = document.querySelector("main");
  keepAddress();
  let site, followed = () => {};
  address.onBack(() => followed());
  const start = async (cache) => {
    const again = () => start("reload");
    const update = (catalogue, how) => {
      site?.engine.close();
      site = choose(catalogue, how, again);
      remember(chosen());
      changed(site);
    };
    at("error").hidden = true;
    try {
      demand();
      const catalogue = await load();
      const pick = () => {
        address.set({ model: site.model.name, variant: site.variant }, false); // to come back to
        const { model, variant } = chosen();
        address.set({ model, variant }, true);
        update(catalogue, "default");
      };
      fill(catalogue, pick);
      followed = () => {
        fill(catalogue, pick);
        const { model, variant } = chosen();
        if (model !== site.model.name || variant !== site.variant) update(catalogue, "default");
      };
      main.hidden = main.inert = false;
      update(catalogue, cache);
      tidy(catalogue);
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
  downloads.forget();
  at("status").textContent = "";
  const button = element("button", { type: "button", onclick: again }, "Try again");
  at("error").replaceChildren(error.message, " ", button);
  at("error").hidden = false;
}

/** Links to the other pages keep ?models=…. */
function keepAddress() {
  for (const link of document.querySelectorAll("nav a")) link.search = address.others();
}

/** Once all is quiet: be there without a network next time, and drop what earlier builds left. */
function tidy({ elsewhere, models, libraries }) {
  const later = globalThis.requestIdleCallback ?? setTimeout;
  later(() => {
    navigator.serviceWorker?.register(new URL("../sw.js", import.meta.url)).catch(() => {});
    if (elsewhere) return; // whose files the list of this site does not know
    const listed = models.flatMap((model) => [...model.tokenizer, ...model.files]);
    const all = [...Object.values(libraries), ...listed, ...listed.map(({ data }) => data).filter(Boolean)];
    forgetOthers(all.map(({ sha256 }) => sha256));
  });
}

function choose({ base, models, libraries }, cache, again) {
  const names = chosen();
  const model = models.find(({ name }) => name === names.model);
  const { variant, runtime } = names;
  const used = { ...files(base, model, variant, runtime), libraries };
  const site = { model, variant, runtime, files: used };
  at("error").hidden = true;
  at("status").textContent = `starting ${RUNTIMES[runtime]} …`;
  at("ready").textContent = summary(site, 2);
  downloads.forget();
  site.engine = new Engine(used, runtime, cache, {
    report: (progress) => hear(progress, site),
    refused: (error) => showError(error, again),
  });
  site.started = site.engine.started.then(({ threads }) => {
    at("status").textContent = summary(site, threads);
    return site;
  });
  site.started.catch((error) => error instanceof Replaced || showError(error, again));
  badges.show(site);
  return site;
}

/** What fetching.js reports. */
function hear(progress, site) {
  if (!progress.sha256) {
    downloads.hear(progress);
    return;
  }
  verified.add(progress.sha256);
  badges.show(site);
  at("unkept").hidden &&= progress.kept;
}

const megabytes = (file) => (file ? `${((file.bytes + (file.data?.bytes ?? 0)) / 1e6).toFixed(1)} MB` : "no file");

function summary({ files: { textual, ...others }, runtime }, threads) {
  const place = runtime === "webgpu" ? "WebGPU" : `${threads} ${threads === 1 ? "thread" : "threads"}`;
  const alone = runtime === "wasm" && !self.crossOriginIsolated
    ? " (this server does not send the headers that threads need)" : "";
  return `pictures: ${megabytes(pictureFile(others))}; texts: ${megabytes(textual)}. `
    + `ONNX Runtime Web, ${place}${alone}`;
}
