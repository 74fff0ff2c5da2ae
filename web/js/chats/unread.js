/** How much is unread, where one sees it without the page: in the title, the icon, the app's badge. */

import logo from "../../logo.svg";
import { countInTitle } from "../browser/title.js";

const MOST = 9;
let shown = 0;

/** Shows a number of unread messages, over all chats; none for 0. */
export function showUnread(count) {
  if (count === shown) return;
  shown = count;
  countInTitle(count);
  document.querySelector('link[rel="icon"]').href = count ? iconWith(count > MOST ? `${MOST}+` : String(count)) : "logo.svg";
  // An installed app has a badge. Elsewhere there is none, or it is refused.
  navigator.setAppBadge?.(count).catch(() => null);
}

function iconWith(text) {
  const dot = '<circle cx="34" cy="34" r="14" fill="#c2362b" stroke="#fff" stroke-width="2"/>';
  const style = 'font-family="sans-serif" font-weight="700" fill="#fff" text-anchor="middle"';
  const number = `<text x="34" y="41" font-size="${text.length > 1 ? 16 : 20}" ${style}>${text}</text>`;
  return `data:image/svg+xml,${encodeURIComponent(logo.replace("</svg>", `${dot}${number}</svg>`))}`;
}
