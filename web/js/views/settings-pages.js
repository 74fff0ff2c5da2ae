/** The pages of the settings. `state(user)` says how things stand by the profile; `stateOf(answer)` by what
 * the server answers at `path`. A page tells of changes by `onState`. */

import { account, stateOfAddress } from "./account.js";
import { ownData } from "./data.js";
import { devices, stateOfDevices } from "./devices.js";
import { goodbye } from "./goodbye.js";
import { googleLink, stateOfGoogle } from "./google.js";
import { look, stateOfLook } from "./look.js";
import { passkeys, stateOfPasskeys } from "./passkeys.js";
import { password } from "./password.js";
import { previews, stateOfPreviews } from "./previews.js";
import { profile } from "./profile.js";
import { programs, stateOfPrograms } from "./programs.js";
import { secondFactor, stateOfFactor } from "./second-factor.js";

export const GROUPS = { you: "You", signing_in: "Signing in", app: "This app", access: "Who has access", end: "Your account" };

export const PAGES = {
  profile: { group: "you", label: "Profile", content: profile, state: (user) => user.display_name },
  account: { group: "you", label: "Account & e-mail", content: account, state: stateOfAddress },
  password: { group: "signing_in", label: "Password", content: password, state: () => "Change it" },
  second_factor: { group: "signing_in", label: "Second factor", content: secondFactor, path: "/v1/auth/second-factor", stateOf: stateOfFactor },
  passkeys: { group: "signing_in", label: "Passkeys", content: passkeys, path: "/v1/auth/passkeys", stateOf: stateOfPasskeys },
  google: { group: "signing_in", label: "Google", content: googleLink, path: "/v1/users/me/google", stateOf: stateOfGoogle },
  notifications: { group: "app", label: "Notifications", content: previews, state: stateOfPreviews },
  look: { group: "app", label: "Appearance", content: look, state: stateOfLook },
  devices: { group: "access", label: "Devices", content: devices, path: "/v1/auth/sessions?limit=50", stateOf: stateOfDevices },
  programs: { group: "access", label: "Programs", content: programs, path: "/v1/auth/programs", stateOf: stateOfPrograms },
  data: { group: "end", label: "Your data", content: ownData, state: () => "Get an archive" },
  delete: { group: "end", label: "Delete account", content: goodbye, state: () => "For good" },
};
