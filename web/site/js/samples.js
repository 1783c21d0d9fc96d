// The pictures that the image page offers.

import { element } from "./element.js";

let listed;

/** Buttons in `place`, photographs among them only if asked for; choose(blob, name) is called. */
export async function showSamples(place, photographs, choose) {
  listed ??= fetch("samples/index.json").then((response) => response.json()).catch(() => []);
  const shown = (await listed).filter(({ photograph }) => photographs || !photograph);
  place.replaceChildren(...shown.map((sample) => button(sample, choose)));
}

function button({ file, label }, choose) {
  const picture = element("img", { src: `samples/${file}`, alt: label, loading: "lazy" });
  const made = element("button", { type: "button", title: label }, picture);
  made.onclick = async () => choose(await (await fetch(picture.src)).blob(), file);
  return made;
}
