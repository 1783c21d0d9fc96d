// What a reader may rely on, in a line each for pictures and texts: whether the file's bytes are those
// that were measured, how close they come to OpenAI's code, and where. Each leads to the report.

import { parity, pictureFile } from "./catalogue.js";
import { element } from "./element.js";

export class Badges {
  /** digests: a Set of those that were found right. It grows. */
  constructor(place, digests) {
    Object.assign(this, { place, digests });
  }

  /** Show a site's files; again whenever more of them were checked. */
  show({ model, files, runtime }) {
    const shown = [["picture", pictureFile(files)], ["text", files.textual]].filter(([, file]) => file);
    this.place.replaceChildren(...shown.map(([what, file]) => element("a", {
      className: this.checked(file) ? "badge checked" : "badge",
      href: `report.html#${model.name}.${file.graph}.${file.variant}`,
    }, element("span", {}, this.checked(file) ? "file verified" : "not loaded yet"),
      ` · ${inWords(what, parity(file, runtime))}`)));
    this.place.hidden = false;
  }

  checked({ sha256, data }) {
    return this.digests.has(sha256) && (!data || this.digests.has(data.sha256));
  }
}

function inWords(what, measured) {
  if (!measured) return "parity not measured";
  const { cosine_min: cosine, inputs, measured_in: place, note } = measured;
  return `worst of ${inputs} ${what}s ${cosine.toFixed(7)} · ${note ? `${place}, ${note}` : place}`;
}
