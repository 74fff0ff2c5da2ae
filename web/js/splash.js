/** The theme that this browser's user chose, before anything is painted. It is in the page itself. */

try {
  document.documentElement.dataset.theme = JSON.parse(localStorage.getItem("parley.theme"));
} catch {
  // As the system has it: nothing was chosen, or nothing is kept.
}
