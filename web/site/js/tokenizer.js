// Tokens by a bundle's tokenizer.json. Texts in CLIP's come here cleaned (cleaning.js).

import { Tokenizer } from "../vendor/tokenizers.js";

/**
 * A function of a text → {ids, tokens, cut}: what the model reads, and the tokens it does not.
 * Of what tokenizer.json and tokenizer_config.json say; CLIP's tokens are those of `cleaned` texts.
 */
export function create(description, config, cleaned) {
  const tokenizer = new Tokenizer(description, config);
  if (!(config.model_max_length > 0)) throw new Error("the tokenizer does not say how much is read");
  const shown = cleaned ? readable : plain;
  return (text) => fit(tokenizer.encode(text), config.model_max_length, shown);
}

/** Cut to the model's length. The end token stays, as OpenAI's truncate=True keeps it. */
function fit({ ids, tokens }, most, shown) {
  const words = tokens.map(shown);
  if (ids.length <= most) return { ids, tokens: words, cut: [] };
  return {
    ids: [...ids.slice(0, most - 1), ids.at(-1)],
    tokens: [...words.slice(0, most - 1), words.at(-1)],
    cut: words.slice(most - 1, -1),
  };
}

// GPT-2's printable stand-in for each byte, back to the byte.
const BYTES = new Map(byteSymbols());

function byteSymbols() {
  const printable = (byte) =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => [
    String.fromCodePoint(printable(byte) ? byte : next++), byte,
  ]);
}

/** One of CLIP's tokens as a reader knows it; a part of a character as its bytes in hexadecimal. */
function readable(token) {
  if (token.startsWith("<|")) return token;
  const bytes = Uint8Array.from(token.replace(/<\/w>$/, ""), (symbol) => BYTES.get(symbol));
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  }
}

/** Another tokenizer's token: SentencePiece's mark of a blank is a blank. */
const plain = (token) => token.replaceAll("▁", " ");
