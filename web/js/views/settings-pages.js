/** The pages of the settings. `state(user)` says how things stand by the profile; `stateOf(answer)` by what
 * the server answers at `path`. A page tells of changes by `onState`. */

import { t } from "../texts.js";
import { account, stateOfAddress } from "./account.js";
import { ownData } from "./data.js";
import { devices, stateOfDevices } from "./devices.js";
import { goodbye } from "./goodbye.js";
import { googleLink, stateOfGoogle } from "./google.js";
import { look, stateOfLook } from "./look.js";
import { passkeys, stateOfPasskeys } from "./passkeys.js";
import { password } from "./password.js";
import { previews, stateOfPreviews } from "./previews.js";
import { profile } from "./own-profile.js";
import { allowedPrograms, stateOfPrograms } from "./programs.js";
import { secondFactor, stateOfFactor } from "./second-factor.js";

export const GROUPS = {
  you: "settings.groupYou",
  signing_in: "settings.groupSigningIn",
  app: "settings.groupApp",
  access: "settings.groupAccess",
  end: "settings.groupEnd",
};

export const PAGES = {
  profile: { group: "you", label: "settings.profile", content: profile, state: (user) => user.display_name },
  account: { group: "you", label: "settings.account", content: account, state: stateOfAddress },
  password: { group: "signing_in", label: "settings.password", content: password, state: () => t("settings.changeIt") },
  second_factor: { group: "signing_in", label: "settings.secondFactor", content: secondFactor, path: "/v1/auth/second-factor", stateOf: stateOfFactor },
  passkeys: { group: "signing_in", label: "settings.passkeys", content: passkeys, path: "/v1/auth/passkeys", stateOf: stateOfPasskeys },
  google: { group: "signing_in", label: "settings.google", content: googleLink, path: "/v1/users/me/google", stateOf: stateOfGoogle },
  notifications: { group: "app", label: "settings.notifications", content: previews, state: stateOfPreviews },
  look: { group: "app", label: "settings.look", content: look, state: stateOfLook },
  devices: { group: "access", label: "settings.devices", content: devices, path: "/v1/auth/sessions?limit=50", stateOf: stateOfDevices },
  programs: { group: "access", label: "settings.programs", content: allowedPrograms, path: "/v1/auth/programs", stateOf: stateOfPrograms },
  data: { group: "end", label: "settings.data", content: ownData, state: () => t("settings.getArchive") },
  delete: { group: "end", label: "leave.title", content: goodbye, state: () => t("settings.forGood") },
};
