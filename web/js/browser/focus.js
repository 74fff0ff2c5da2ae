/** Keeps the focus on the page. An element with the focus may be removed, hidden or disabled, and the
 * browser then focuses nothing. */

/** Whether a keyboard jumps up on the screen when a field has the focus. */
export const onScreenKeys = matchMedia("(pointer: coarse) and (hover: none)");

const FOCUSABLE = "a[href], button:enabled, input:enabled, select:enabled, textarea:enabled, summary, [tabindex]";

let last = null;

const isShown = (node) => node.checkVisibility({ visibilityProperty: true });

function firstIn(place) {
  if (!place?.querySelectorAll) return null;
  return [place, ...place.querySelectorAll(FOCUSABLE)].find((node) => node.matches(FOCUSABLE) && isShown(node));
}

/** The next element in the place that `last` was removed from, else the first one around it. */
function nextTo({ target, nextSibling, previousSibling }) {
  for (const near of [nextSibling, previousSibling]) {
    const found = near?.isConnected && firstIn(near);
    if (found) return found;
  }
  for (let place = target; place && place !== document.body; place = place.parentElement) {
    const found = place.isConnected && isShown(place) && firstIn(place);
    if (found) return found;
  }
  return null;
}

/** The next element on the page. */
function after(node) {
  const all = [...document.querySelectorAll(FOCUSABLE)].filter(isShown);
  const follows = (one) => node.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING;
  return all.find((one) => follows(one) && !node.contains(one)) ?? all.at(-1);
}

function look(records) {
  if (!last || ![document.body, last, null].includes(document.activeElement)) return;
  for (const record of records) {
    const { target, type, removedNodes } = record;
    if (type === "childList") {
      if (!last.isConnected && [...removedNodes].some((node) => node.contains(last))) return move(nextTo(record));
    } else if (target.hidden && target.contains(last)) return move(after(target));
    else if (target === last && record.attributeName === "disabled" && !last.disabled) return move(last);
  }
}

function move(node) {
  last = null;
  node?.focus({ preventScroll: true });
}

/** Begins to watch. */
export function keepFocus() {
  document.addEventListener("focusin", ({ target }) => (last = target));
  // A click beside everything: the element was neither removed, hidden nor disabled.
  document.addEventListener("focusout", ({ target }) => setTimeout(() => {
    const isOwn = document.activeElement === document.body && document.hasFocus();
    if (isOwn && target === last && target.isConnected && !target.disabled && isShown(target)) last = null;
  }));
  const watched = { subtree: true, childList: true, attributes: true, attributeFilter: ["hidden", "disabled"] };
  new MutationObserver(look).observe(document.body, watched);
}
