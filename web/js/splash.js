/** In the page itself, before anything is painted: the theme that this browser's user chose. And a
 * question that would else be asked once the client is there, a round trip later. */

try {
  document.documentElement.dataset.theme = JSON.parse(localStorage.getItem("parley.theme"));
} catch {
  // As the system has it: nothing was chosen, or nothing is kept.
}
window.configAsked = fetch("config.json", { cache: "no-store" }).catch(() => null);
