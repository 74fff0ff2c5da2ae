/** Draws the rows of a conversation. */

import { h, setText } from "../../browser/dom.js";
import { icon } from "../../icons.js";
import { exactTime, timeOf } from "../../text/format.js";
import { linkified } from "../../text/linkify.js";
import { t } from "../../text/texts.js";
import { showsSender } from "./rows.js";
import { tick } from "./ticks.js";

/** How rows are made and kept up to date; `nameOf(id)` names senders, the others act on a failed message. */
export function messageRows({ nameOf, onRetry, onDiscard }) {
  function create(row) {
    return row.kind === "divider" ? h("li", { class: `divider ${row.className}` }, h("span", {})) : h("li", { tabindex: "-1" });
  }

  function update(item, row) {
    if (row.kind === "divider") {
      setText(item.firstElementChild, row.text);
      return;
    }
    const name = row.mine ? t("talk.you") : nameOf(row.sender);
    const shown = [row.rev, row.state, row.error, row.joins, row.joined, name].join();
    if (item.dataset.shown === shown) return;
    item.dataset.shown = shown;
    const hadFocus = item !== document.activeElement && item.contains(document.activeElement);
    item.className = classesOf(row);
    item.replaceChildren(bubble(row, name), ...(row.state === "failed" ? [failure(row)] : []));
    if (hadFocus) item.focus({ preventScroll: true });
  }

  function bubble(row, name) {
    const text = h("span", { class: "text", dir: "auto" });
    if (row.text === null) text.append(h("em", {}, t("talk.deleted")));
    else text.append(...linkified(row.text));
    return h(
      "div",
      { class: "bubble" },
      showsSender(row) ? h("span", { class: "sender", dir: "auto", "aria-hidden": "true" }, name) : null,
      h("span", { class: "visually-hidden" }, t("talk.sender", { name }), " "),
      text,
      h(
        "span",
        { class: "meta" },
        row.edited ? h("span", {}, t("talk.edited")) : null,
        h("time", { datetime: row.at, title: exactTime(row.at) }, timeOf(row.at)),
        row.state ? tick(row.state) : null,
      ),
      h("button", { type: "button", class: "more", tabindex: "-1", title: t("messageMenu.options"), "aria-label": t("messageMenu.options"), "aria-haspopup": "menu" }, icon("more")),
    );
  }

  function failure(row) {
    return h(
      "div",
      { class: "failure" },
      h("span", {}, t("talk.failed", { reason: row.error ?? "" })),
      h("button", { type: "button", class: "link", onclick: () => onRetry(row.clientId) }, t("common.tryAgain")),
      h("button", { type: "button", class: "link", onclick: () => onDiscard(row.clientId) }, t("talk.discard")),
    );
  }

  return { create, update };
}

function classesOf(row) {
  const classes = ["message", row.mine ? "mine" : "theirs"];
  if (row.joins) classes.push("joins");
  if (row.joined) classes.push("joined");
  if (row.state === "failed") classes.push("is-failed");
  if (row.text === null) classes.push("is-deleted");
  return classes.join(" ");
}
