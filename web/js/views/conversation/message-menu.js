/** What can be done with a message. `actionsOf` has the list. */

import { copy } from "../../browser/clipboard.js";
import { announce, h } from "../../browser/dom.js";
import { exactTime } from "../../text/format.js";
import { t } from "../../text/texts.js";
import { openMenu } from "../parts/menu.js";
import { factList, openSheet } from "../parts/sheet.js";

const NOTICE_LASTS = 2500;

/** Opens the menu of a row at a point. `find(key)`: the row as it is by now, or undefined. */
export function openMessageMenu({ row, chat, store, at, find, goBack }) {
  openMenu({ label: t("messageMenu.options"), items: actionsOf({ row, chat, store, find }), at, goBack });
}

function actionsOf({ row, chat, store, find }) {
  const copying = { icon: "copy", label: t("messageMenu.copy"), run: () => copyText(row.text) };
  const info = { icon: "info", label: t("messageMenu.info"), run: () => openInfo({ row, chat, store, find }) };
  return row.text === null ? [info] : [copying, info];
}

async function copyText(text) {
  notify(t((await copy(text)) ? "messageMenu.copied" : "messageMenu.notCopied"));
}

let notice;

/** Shows a short notice, and says it. */
function notify(text) {
  notice?.remove();
  const node = (notice = h("div", { class: "toast", "aria-hidden": "true", popover: "manual" }, text));
  document.body.append(node);
  node.showPopover();
  setTimeout(() => node.remove(), NOTICE_LASTS);
  announce(text);
}

function openInfo({ row, chat, store, find }) {
  openSheet({ title: t("messageMenu.info"), store, render: () => facts(find(row.key) ?? row, chat, store) });
}

function facts(row, chat, store) {
  const to = store.titleOf(chat);
  return factList([
    [t("messageMenu.from"), row.mine ? t("talk.you") : store.nameOf(row.sender)],
    [row.seq === Infinity ? t("messageMenu.written") : t("messageMenu.sent"), exactTime(row.at)],
    [t("messageMenu.edited"), row.editedAt && exactTime(row.editedAt)],
    ...(row.mine ? fate(row, chat, to) : []),
  ]);
}

/** How far one of our messages got. The server does not keep when. */
function fate(row, chat, name) {
  if (row.state === "failed") return [[t("messageMenu.state"), t("messageMenu.failed", { reason: row.error ?? "" })]];
  if (row.seq === Infinity) return [[t("messageMenu.state"), t("messageMenu.waiting")]];
  if (!chat.partner) return [[t("messageMenu.state"), t("tick.sent")]]; // A group shows no receipts.
  if (!chat.answered) return [[t("messageMenu.state"), t("messageMenu.unanswered", { name })]];
  const isRead = row.state === "read";
  const told = (is) => (is ? t("messageMenu.byThem", { name }) : t("messageMenu.notYet"));
  return [
    [t("messageMenu.delivered"), told(isRead || row.state === "delivered")],
    [t("messageMenu.read"), told(isRead)],
  ];
}
