/** The title of the window: what is shown, and how much is unread. */

import { t } from "../text/texts.js";

let view = "";
let unread = 0;

/** Names what is shown; "" where that is the whole of the app. */
export function nameView(name) {
  view = name;
  show();
}

export function countInTitle(count) {
  unread = count;
  show();
}

function show() {
  const named = view ? t("page.titleOf", { view }) : "Parley";
  const title = unread ? t("page.titleUnread", { number: unread, title: named }) : named;
  if (document.title !== title) document.title = title;
}
