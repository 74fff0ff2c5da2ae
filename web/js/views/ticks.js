/** How far a message got, as a mark and as a word. */

import { h } from "../dom.js";
import { icon } from "../icons.js";

const MARKS = {
  queued: ["clock", "Sending"],
  sending: ["clock", "Sending"],
  failed: ["failed", "Not sent"],
  sent: ["sent", "Sent"],
  delivered: ["delivered", "Delivered"],
  read: ["read", "Read"],
};

export function tick(state) {
  const [name, word] = MARKS[state];
  return h(
    "span",
    { class: `tick tick-${state}`, title: word, "data-state": state },
    icon(name),
    h("span", { class: "visually-hidden" }, word),
  );
}
