/** Whether the partner of a chat is here. */

import { lastSeen } from "../../text/format.js";
import { t } from "../../text/texts.js";

/** In words: typing, online, or when the partner of a chat was seen last. For a group, how many are in it. */
export function presenceOf(store, chat) {
  if (!chat.partner) return t("talk.members", { count: chat.memberCount });
  if (store.isTyping(chat.id)) return t("chats.typing");
  const state = store.presence.get(chat.partnerId);
  if (state?.online) return t("chats.online");
  return state?.last_seen_at ? lastSeen(state.last_seen_at) : "";
}

export function isHere(store, chat) {
  return Boolean(store.isTyping(chat.id) || store.presence.get(chat.partnerId)?.online);
}
