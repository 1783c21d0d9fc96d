// The drawings that ship with the pages: found before a model has come, by vectors that ship as well.

import { fetchOnce } from "./fetching.js";

const index = new URL("../gallery/index.json", import.meta.url);
let listed;

/** The pages' drawings, and a model's vectors of them, made when the pages were built. */
export class Gallery {
  /** Of a model of index.json; null where none of its files made vectors, or they cannot be had. */
  static async open(model) {
    const { pictures, queries, models } = await list();
    const made = models[model.name];
    if (!made || !model.files.some(({ sha256 }) => sha256 === made.sha256)) return null;
    const file = { ...made.vectors, url: new URL(made.vectors.path, index).href };
    const bytes = await fetchOnce(file, "default", () => {}).catch(() => null);
    return bytes && new Gallery(model, made, pictures, queries, new Float32Array(bytes.buffer));
  }

  constructor({ name, dimensions }, { variant }, pictures, queries, numbers) {
    const row = (place) => numbers.subarray(place * dimensions, (place + 1) * dimensions);
    this.model = name;
    this.variant = variant;
    this.pictures = pictures.map(({ file, label }) => ({ name: label, src: new URL(file, index).href }));
    this.vectors = new Map(this.pictures.map((picture, place) => [picture, row(place)]));
    this.queries = new Map(queries.map((text, place) => [text, row(pictures.length + place)]));
  }

  /** What made the vectors, for a reader. */
  get note() {
    return `${this.pictures.length} drawings that come with this page; their vectors are ${this.model}'s in `
      + `${this.variant}, made in ONNX Runtime when the page was built.`;
  }
}

/** The cosine below which no label fits a picture, as drawings tell it of a model; or null. */
export async function noneOf(model) {
  return (await list()).models[model.name]?.none ?? null;
}

/** The list of the gallery, empty where the site has none. */
function list() {
  listed ??= fetch(index).then((response) => response.json())
    .catch(() => ({ pictures: [], queries: [], models: {} }));
  return listed;
}
