/** Icons, drawn as strokes in a box of 24. */

const PATHS = {
  back: "M15 5l-7 7 7 7",
  search: "M10.500 4a6.500 6.500 0 1 1 0 13 6.500 6.500 0 0 1 0-13zM15.300 15.300L20 20",
  close: "M6 6l12 12M18 6L6 18",
  down: "M6 9l6 6 6-6",
  phone: "M8.500 2.500h7a2 2 0 0 1 2 2v15a2 2 0 0 1-2 2h-7a2 2 0 0 1-2-2v-15a2 2 0 0 1 2-2zM10.500 18.500h3",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.500a2.500 2.500 0 1 1 0 5 2.500 2.500 0 0 1 0-5zM9 14.500a2.500 2.500 0 1 1 0 5 2.500 2.500 0 0 1 0-5z",
  leave: "M14 4H7a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h7M11 12h9M16.500 8.500L20 12l-3.500 3.500",
  send: "M5 12h13M12 5l7 7-7 7",
  add: "M12 5v14M5 12h14",
  more: "M7 10l5 5 5-5",
  copy: "M9 9h10v11H9zM15 9V4H5v11h4",
  info: "M12 4.500a7.500 7.500 0 1 1 0 15 7.500 7.500 0 0 1 0-15zM12 11v5M12 8v.1",
  smile: "M12 4a8 8 0 1 1 0 16 8 8 0 0 1 0-16zM8.500 14a4.200 4.200 0 0 0 7 0M9 9.500v.5M15 9.500v.5",
  clock: "M12 5a7 7 0 1 1 0 14 7 7 0 0 1 0-14zM12 8.500V12l2.500 1.500",
  sent: "M6 12.500l4 4 8-9",
  delivered: "M2.500 12.500l4 4 8-9M11.500 15.500l1 1 8-9",
  read: "M2.500 10.500l4 4 8-9M11.500 13.500l1 1 8-9M4 20h16",
  failed: "M12 4.500a7.500 7.500 0 1 1 0 15 7.500 7.500 0 0 1 0-15zM12 8.500v4.500M12 15.800v.1",
};

const SVG = "http://www.w3.org/2000/svg";

/** A decorative icon; what it means is said by the text or label beside it. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
