// What is looked for: texts and a picture that add up, and words that are taken away.
//
//     a star + a circle        both
//     a star -blue             less of blue; -"light blue" takes more words than one away
//
// A hyphen within a word is part of it.

import { normalize } from "./vectors.js";

const LESS = /(^|\s)-(?:"([^"]+)"|([^\s"-]\S*))/g;

/** {more, less}: the texts of what one typed that are added and taken away. */
export function parse(typed) {
  const less = [];
  const rest = typed.replace(LESS, (_, before, phrase, word) => {
    less.push(phrase ?? word);
    return before;
  });
  const more = rest.split(/(?:^|\s)\+(?:\s|$)/).map((text) => text.trim().replace(/^"([^"]*)"$/, "$1"));
  return { more: more.filter(Boolean), less };
}

/** A query as its heading: of {text, picture}, where picture is {name}. */
export function titleOf({ text, picture }) {
  const parts = [picture && `Like ${picture.name}`, text && `“${text}”`].filter(Boolean);
  return parts.join(" and ");
}

/**
 * The unit vector of {text, picture}. picture.vector gives one that is known, picture.blob one to embed.
 *
 * known gives the unit vector of a text that came with the pages, or undefined. Throws an Error in a
 * line where nothing is left to look for.
 */
export async function vectorOf({ text, picture }, engine, orient, known) {
  const { more, less } = parse(text);
  if (!more.length && !picture) throw new Error("Say what to look for, too: “a star -blue” takes blue from a star.");
  const texts = [...more, ...less];
  const [vectors, shown] = await Promise.all([
    embedTexts(texts, engine, known), picture ? embedPicture(picture, engine, orient) : null,
  ]);
  const sum = new Float32Array((shown ?? vectors[0]).length);
  const add = (vector, sign) => vector.forEach((value, place) => { sum[place] += sign * value; });
  vectors.forEach((vector, place) => add(vector, place < more.length ? 1 : -1));
  if (shown) add(shown, 1);
  return normalize(sum);
}

async function embedTexts(texts, engine, known) {
  const shipped = texts.map(known);
  if (shipped.every(Boolean)) return shipped;
  const { rows } = await engine.texts(texts);
  return rows.map(({ embeds }) => normalize(embeds));
}

async function embedPicture({ vector, blob }, engine, orient) {
  const known = vector?.();
  if (known) return known;
  return normalize((await engine.request("picture", { blob: await blob(), orient })).embeds);
}
