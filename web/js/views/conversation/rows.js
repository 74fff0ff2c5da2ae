/** What a conversation shows, line by line: days, what is new, messages, unsent messages. */

import { dayKey, dayName } from "../../text/format.js";
import { t } from "../../text/texts.js";

const GROUPED_WITHIN = 5 * 60_000;
const CHARACTERS_A_LINE = 50;

// Parsed times: parsing thousands of them at each change would be slow.
const known = new Map();
const MOST_KNOWN = 20_000;

function momentOf(iso) {
  let moment = known.get(iso);
  if (!moment) {
    if (known.size >= MOST_KNOWN) known.clear();
    moment = { time: Date.parse(iso), day: dayKey(iso) };
    known.set(iso, moment);
  }
  return moment;
}

/** The height of a row in pixels, guessed. */
export function guessedHeight(row) {
  if (row.kind === "divider") return 50;
  const lines = (row.text ?? "").split("\n").reduce((sum, line) => sum + Math.ceil((line.length + 8) / CHARACTERS_A_LINE), 0);
  return (row.joins ? 16 : 23) + (showsSender(row) ? 20 : 0) + 23 * lines;
}

/** Whether the name of the sender stands above a message: in a group, over the first of several. */
export function showsSender(row) {
  return row.inGroup && !row.mine && !row.joins;
}

/** `newAfter`: the seq after which messages were unread when the chat was opened, or null. */
export function rowsOf(chat, unsent, newAfter) {
  const rows = [];
  let before = null;
  // It is known where new messages begin once all of them are loaded.
  let marked = newAfter === null || chat.floor > newAfter + 1;
  for (const entry of [...chat.messages.map((one) => fromMessage(chat, one)), ...unsent.map((one) => fromUnsent(chat, one))]) {
    const { day } = momentOf(entry.at);
    if (!before || momentOf(before.at).day !== day) {
      rows.push({ key: `day ${day}`, kind: "divider", className: "day", text: dayName(entry.at) });
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
  return a.sender === b.sender && momentOf(b.at).time - momentOf(a.at).time < GROUPED_WITHIN;
}

function fromMessage(chat, message) {
  const mine = message.sender_id === chat.me;
  return {
    key: `${message.sender_id} ${message.client_id}`,
    kind: "message",
    sender: message.sender_id,
    inGroup: !chat.partner,
    mine,
    seq: message.seq,
    rev: message.rev,
    at: message.created_at,
    text: message.deleted_at ? null : message.content.text,
    edited: Boolean(message.edited_at) && !message.deleted_at,
    editedAt: message.deleted_at ? null : message.edited_at,
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
