// The choice of model, variant and runtime, and what of it can be chosen in this browser.

import { get } from "./address.js";
import { RUNTIMES, variants, withheld } from "./catalogue.js";

const REMEMBERED = "clip-onnx.choice";
const DEFAULT_VARIANT = "int8w";

const pickers = Object.fromEntries(
  ["model", "variant", "runtime"].map((name) => [name, document.getElementById(name)]),
);
const withheldNote = document.getElementById("withheld");

/** What is chosen: {model, variant, runtime} by their names. */
export const chosen = () => Object.fromEntries(
  Object.entries(pickers).map(([name, picker]) => [name, picker.value]),
);

/** Fill the pickers with what the address names, else with what was chosen last, and call `update` after each change. */
export function fill({ models }, update) {
  const wanted = { ...remembered(), ...named() };
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

/** What the address names. */
function named() {
  const found = ["model", "variant"].map((name) => [name, get(name)]);
  return Object.fromEntries(found.filter(([, value]) => value));
}

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(REMEMBERED)) ?? {};
  } catch {
    return {};
  }
}

/** Open the pages with this choice from now on. */
export function remember(choice) {
  try {
    localStorage.setItem(REMEMBERED, JSON.stringify(choice));
  } catch {
    // Storage may be switched off; the choice then lasts as long as the page.
  }
}
