/** Light or dark: as the system has it, or as this browser's user chose. */

import { browser, onChange } from "./storage.js";

const KEY = "parley.theme";
/** And the keys of their names. */
export const THEMES = { system: "look.system", light: "look.light", dark: "look.dark" };

export function chosenTheme() {
  const theme = browser.read(KEY);
  return Object.hasOwn(THEMES, theme) ? theme : "system";
}

export function chooseTheme(theme) {
  browser.write(KEY, theme);
  apply();
}

/** Shows the chosen theme, now and when another tab changes it. */
export function showTheme() {
  apply();
  onChange(KEY, apply);
}

function apply() {
  const theme = chosenTheme();
  document.documentElement.dataset.theme = theme;
  // The bar of the browser takes the colour of the first one that fits.
  for (const meta of document.querySelectorAll('meta[name="theme-color"]')) {
    const own = meta.dataset.theme;
    meta.media = theme === "system" ? `(prefers-color-scheme: ${own})` : theme === own ? "all" : "not all";
  }
}
