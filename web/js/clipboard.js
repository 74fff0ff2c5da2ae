/** The clipboard, where the browser lets a page use it. */

/** Copies a text. Where that is refused, selects `shown`, so that people can; answers whether it was copied. */
export async function copy(text, shown) {
  try {
    await navigator.clipboard.writeText(text); // It is missing on plain http.
    return true;
  } catch {
    getSelection().selectAllChildren(shown);
    return false;
  }
}
