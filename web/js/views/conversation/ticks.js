/** How far a message got, as a mark and as a word. */

import { h } from "../../browser/dom.js";
import { icon } from "../../icons.js";
import { t } from "../../text/texts.js";

const MARKS = {
  queued: ["clock", "tick.sending"],
  sending: ["clock", "tick.sending"],
  failed: ["failed", "tick.failed"],
  sent: ["sent", "tick.sent"],
  delivered: ["delivered", "tick.delivered"],
  read: ["read", "tick.read"],
};

export function tick(state) {
  const [name, key] = MARKS[state];
  const word = t(key);
  return h(
    "span",
    { class: `tick tick-${state}`, title: word, "data-state": state },
    icon(name),
    h("span", { class: "visually-hidden" }, word),
  );
}
