/** The pages of the settings. `state(user)` says how things stand by the profile; `stateOf(answer)` by what
 * the server answers at `path`. A page tells of changes by `onState`. */

import { t } from "../../text/texts.js";
import { googleLink, stateOfGoogle } from "../sign-in/google.js";
import { account, stateOfAddress } from "./pages/account.js";
import { ownData } from "./pages/data.js";
import { devices, stateOfDevices } from "./pages/devices.js";
import { goodbye } from "./pages/goodbye.js";
import { look, stateOfLook } from "./pages/look.js";
import { profile } from "./pages/own-profile.js";
import { passkeys, stateOfPasskeys } from "./pages/passkeys.js";
import { password } from "./pages/password.js";
import { previews, stateOfPreviews } from "./pages/previews.js";
import { allowedPrograms, stateOfPrograms } from "./pages/programs.js";
import { secondFactor, stateOfFactor } from "./pages/second-factor.js";

export const GROUPS = {
  you: "settings.groupYou",
  signing_in: "settings.groupSigningIn",
  app: "settings.groupApp",
  access: "settings.groupAccess",
  end: "settings.groupEnd",
};

export const PAGES = {
  profile: { group: "you", key: "settings.profile", content: profile, state: (user) => user.display_name },
  account: { group: "you", key: "settings.account", content: account, state: stateOfAddress },
  password: { group: "signing_in", key: "settings.password", content: password, state: () => t("settings.changeIt") },
  second_factor: { group: "signing_in", key: "settings.secondFactor", content: secondFactor, path: "/v1/auth/second-factor", stateOf: stateOfFactor },
  passkeys: { group: "signing_in", key: "settings.passkeys", content: passkeys, path: "/v1/auth/passkeys", stateOf: stateOfPasskeys },
  google: { group: "signing_in", key: "settings.google", content: googleLink, path: "/v1/users/me/google", stateOf: stateOfGoogle },
  notifications: { group: "app", key: "settings.notifications", content: previews, state: stateOfPreviews },
  look: { group: "app", key: "settings.look", content: look, state: stateOfLook },
  devices: { group: "access", key: "settings.devices", content: devices, path: "/v1/auth/sessions?limit=50", stateOf: stateOfDevices },
  programs: { group: "access", key: "settings.programs", content: allowedPrograms, path: "/v1/auth/programs", stateOf: stateOfPrograms },
  data: { group: "end", key: "settings.data", content: ownData, state: () => t("settings.getArchive") },
  delete: { group: "end", key: "leave.title", content: goodbye, state: () => t("settings.forGood") },
};
