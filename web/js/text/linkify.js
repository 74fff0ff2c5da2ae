/** Text as nodes, with web and mail addresses as links that tell the other site nothing. */

import { h } from "../browser/dom.js";

// No link starts within a word or another address.
const ADDRESS = new RegExp(
  [
    String.raw`(?<![\p{L}\p{N}_@./:-])(?<web>(?:https?:\/\/|www\.)[^\s<>"\p{C}]+)`,
    String.raw`(?<![\p{L}\p{N}_@./:+-])(?<mail>[\p{L}\p{N}_%+-](?:[\p{L}\p{N}._%+-]{0,62}[\p{L}\p{N}_%+-])?@(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?\.){1,8}\p{L}{2,63})(?![\p{L}\p{N}@-])`,
  ].join("|"),
  "giu",
);
const AFTER = /[.,;:!?'*_~…’”»]$/u;
const BRACKETS = { ")": "(", "]": "[", "}": "{" };

export function linkified(text) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const { web, mail } = match.groups;
    const shown = web ? ended(web) : mail;
    const href = web ? webAddress(shown) : `mailto:${encodeURIComponent(mail).replace("%40", "@")}`;
    if (!href) continue;
    nodes.push(text.slice(end, match.index), link(shown, href, Boolean(web)));
    end = match.index + shown.length;
  }
  nodes.push(text.slice(end));
  return nodes.filter((node) => node !== "");
}

/** Without what ends the sentence around an address: its own brackets are in pairs. */
function ended(address) {
  const open = {};
  for (const character of address) open[character] = (open[character] ?? 0) + 1;
  let shown = address;
  for (;;) {
    const last = shown.at(-1);
    const opener = BRACKETS[last];
    if (opener ? (open[last] ?? 0) <= (open[opener] ?? 0) : !AFTER.test(last)) return shown;
    open[last] -= 1;
    shown = shown.slice(0, -1);
  }
}

/** The address to open, or null: one with a user name looks like one of another site. */
function webAddress(shown) {
  const whole = /^www\./i.test(shown) ? `https://${shown}` : shown;
  try {
    const { hostname, username, password } = new URL(whole);
    const hasName = whole === shown || /^www\.[^.]+\.[^.]/i.test(hostname);
    return hasName && !username && !password ? whole : null;
  } catch {
    return null;
  }
}

function link(shown, href, isWeb) {
  return h("a", isWeb ? { href, target: "_blank", rel: "noopener noreferrer" } : { href }, shown);
}
