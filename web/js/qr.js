/** QR codes, drawn here: what they hold goes to no server. */

import { encode } from "uqr";

const SVG = "http://www.w3.org/2000/svg";
const QUIET = 4; // How many squares around it have to stay light (ISO/IEC 18004).

/** A drawing of `text`. `label` says what it is, for screen readers. */
export function qrCode(text, label) {
  const { data } = encode(text, { ecc: "M", border: QUIET });
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", data.flatMap(bars).join(""));
  const svg = document.createElementNS(SVG, "svg");
  const attributes = { viewBox: `0 0 ${data.length} ${data.length}`, class: "qr", role: "img", "aria-label": label, "shape-rendering": "crispEdges" };
  for (const [name, value] of Object.entries(attributes)) svg.setAttribute(name, value);
  svg.append(path);
  return svg;
}

/** The dark squares of a row, those side by side as one. */
function bars(row, y) {
  const found = [];
  for (let x = 0; x < row.length; x += 1) {
    const from = x;
    while (row[x]) x += 1;
    if (x > from) found.push(`M${from} ${y}h${x - from}v1H${from}z`);
  }
  return found;
}
