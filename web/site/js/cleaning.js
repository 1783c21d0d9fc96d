// What OpenAI's code does to a text before its byte-pair encoding:
// ftfy.fix_text, html.unescape twice, white space to single blanks, lower case.
//
// Of ftfy this is everything but the repair of mojibake ("â€™" for an apostrophe), which has no
// counterpart in JavaScript: such texts get other tokens here than OpenAI's. Entities are decoded by
// the page's HTML parser, so this runs in pages, not in workers.

const LIGATURES = {
  Ĳ: "IJ", ĳ: "ij", ŉ: "ʼn", Ǳ: "DZ", ǲ: "Dz", ǳ: "dz", Ǆ: "DŽ", ǅ: "Dž", ǆ: "dž", Ǉ: "LJ",
  ǈ: "Lj", ǉ: "lj", Ǌ: "NJ", ǋ: "Nj", ǌ: "nj",
  ﬀ: "ff", ﬁ: "fi", ﬂ: "fl", ﬃ: "ffi", ﬄ: "ffl", ﬅ: "ſt", ﬆ: "st",
};
const CONTROLS = /[\x00-\x08\x0b\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]/g;
const ENTITY = /&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)/g;
const COMPLETE_ENTITY = /&#?[0-9A-Za-z]{1,24};/g;
// Python's white space, which has the separators 1c to 1f and next line, but no byte order mark.
const BLANKS = /[\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/g;

/** The text that is encoded. */
export function clean(text) {
  const unescaped = unescape(unescape(fix(text)));
  return unescaped.replace(BLANKS, " ").replace(/^ | $/g, "").toLowerCase();
}

/** ftfy.fix_text without the repair of mojibake: line by line, until nothing changes. */
function fix(text) {
  let entities = true;
  return text.replace(/[^\n]*\n|[^\n]+$/g, (line) => {
    entities &&= !line.includes("<"); // it is markup then, from there on
    let before;
    do {
      before = line;
      line = fixOnce(entities ? unescape(line, COMPLETE_ENTITY) : line);
    } while (line !== before);
    return line;
  });
}

function fixOnce(text) {
  return text
    .replace(/[\x80-\x9f]/g, fromWindows1252)
    .replace(/[Ĳĳŉ\u01c4-\u01cc\u01f1-\u01f3\ufb00-\ufb06]/g, (letter) => LIGATURES[letter])
    .replace(/[\u3000\uff01-\uffef]/g, (letter) => letter.normalize("NFKC"))
    .replace(/[\u02bc\u2018-\u201b]/g, "'")
    .replace(/[\u201c-\u201f]/g, '"')
    .replace(/\r\n|[\r\u2028\u2029\x85]/g, "\n")
    .replace(/\x1b\[[\d;]*[a-zA-Z]/g, "")
    .replace(CONTROLS, "")
    .normalize("NFC");
}

function fromWindows1252(letter) {
  return new TextDecoder("windows-1252").decode(Uint8Array.of(letter.charCodeAt(0)));
}

const parser = globalThis.document?.createElement("textarea");

/** Python's html.unescape: the same names and the same longest match as the HTML parser's. */
function unescape(text, pattern = ENTITY) {
  return text.replace(pattern, (entity) => {
    parser.innerHTML = entity;
    const letter = parser.value;
    return entity[1] === "#" && /^[\x00-\x08\x0e-\x1f\x7f-\x9f]$/.test(letter) ? "" : letter;
  });
}
