/** Keys that belong to an input method: while it composes a word, Enter and Escape end the word only. */

/** Whether a key goes to an input method. Safari says so by the code alone, after the word has ended. */
function isComposing(event) {
  return event.isComposing || event.keyCode === 229;
}

/** Keeps such keys, and what a browser would do because of them, from everything on the page. */
export function leaveKeysToInputMethods() {
  let own = false;
  const first = (type, listener) => document.addEventListener(type, listener, { capture: true });
  first("keydown", (event) => {
    if (!isComposing(event)) return;
    event.stopImmediatePropagation();
    own = true;
    setTimeout(() => (own = false)); // What follows from a key comes before the next task.
  });
  for (const type of ["submit", "cancel"]) {
    first(type, (event) => {
      if (!own) return;
      event.preventDefault();
      event.stopImmediatePropagation();
    });
  }
}
