/** What a conversation shows, line by line: days, what is new, messages, unsent messages. */

import { dayKey, dayName } from "../format.js";
import { t } from "../texts.js";

const GROUPED_WITHIN = 5 * 60_000;

/** `newAfter`: the seq after which messages were unread when the chat was opened, or null. */
export function rowsOf(chat, unsent, newAfter) {
  const rows = [];
  let before = null;
  // Where the news begins is known once everything since is loaded.
  let marked = newAfter === null || chat.floor > newAfter + 1;
  for (const entry of [...chat.messages.map((one) => fromMessage(chat, one)), ...unsent.map((one) => fromUnsent(chat, one))]) {
    if (!before || dayKey(before.at) !== dayKey(entry.at)) {
      rows.push({ key: `day ${dayKey(entry.at)}`, kind: "divider", className: "day", text: dayName(entry.at) });
      before = null;
    }
    if (!marked && !entry.mine && entry.seq > newAfter) {
      rows.push({ key: "new", kind: "divider", className: "new-mark", text: t("talk.newMark") });
      marked = true;
      before = null;
    }
    entry.joins = Boolean(before && together(before, entry));
    if (before) before.joined = entry.joins;
    rows.push(entry);
    before = entry;
  }
  return rows;
}

function together(a, b) {
  return a.sender === b.sender && new Date(b.at) - new Date(a.at) < GROUPED_WITHIN;
}

function fromMessage(chat, message) {
  const mine = message.sender_id === chat.me;
  return {
    key: `${message.sender_id} ${message.client_id}`,
    kind: "message",
    sender: message.sender_id,
    mine,
    seq: message.seq,
    rev: message.rev,
    at: message.created_at,
    text: message.deleted_at ? null : message.content.text,
    edited: Boolean(message.edited_at) && !message.deleted_at,
    state: mine ? chat.stateOf(message) : null,
  };
}

function fromUnsent(chat, entry) {
  return {
    key: `${chat.me} ${entry.client_id}`,
    kind: "message",
    sender: chat.me,
    mine: true,
    seq: Infinity,
    rev: 0,
    at: entry.created_at,
    text: entry.text,
    edited: false,
    state: entry.state,
    error: entry.error,
    clientId: entry.client_id,
  };
}
