/** Text as people count it: whole characters, and nothing that is no text. */

const segmenter = Intl.Segmenter ? new Intl.Segmenter(undefined, { granularity: "grapheme" }) : null;

/** Without halves of surrogate pairs: the server takes well-formed Unicode only (RFC 8259, 8.2). */
function wellFormed(text) {
  return text.replace(/\p{Surrogate}/gu, "\uFFFD");
}

/** JSON for the server, in which every string is well-formed. */
export function toJson(value) {
  return JSON.stringify(value, (_, one) => (typeof one === "string" ? wellFormed(one) : one));
}

/** A part of a path or a query. */
export function inAddress(text) {
  return encodeURIComponent(wellFormed(text));
}

/** The characters that a reader sees (UAX 29): an emoji with its skin tone, a letter with its marks. */
export function graphemes(text) {
  return segmenter ? Array.from(segmenter.segment(text), ({ segment }) => segment) : [...text];
}

/** How long the server finds a text: code points after NFC, without white space around them. */
export function lengthOf(text) {
  return [...text.trim().normalize("NFC")].length;
}

/** The beginning of a text, of whole characters, in at most `most` UTF-16 code units. */
export function cut(text, most) {
  if (text.length <= most) return text;
  let kept = "";
  for (const one of graphemes(text.slice(0, most + 1))) {
    if (kept.length + one.length > most) break;
    kept += one;
  }
  return kept;
}
