/** The languages of this client. To add one, see CONTRIBUTING. */

import texts from "../../texts/en.js";

/** Is always there: what another catalogue lacks, or cannot be loaded, is said in it. */
export const ENGLISH = { tag: "en", name: "English", dir: "ltr", texts, load: async () => texts };

/** `name` is in the language itself. A catalogue is loaded when its language is shown. */
export const LANGUAGES = [
  ENGLISH,
  { tag: "ar", name: "العربية", dir: "rtl", load: async () => (await import("../../texts/ar.js")).default },
];
