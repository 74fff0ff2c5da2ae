/** Starts the client: either someone is signed in in this tab, or they are asked to. */

import { Api } from "./api.js";
import { loadConfig } from "./config.js";
import { registerDevice } from "./device.js";
import { announce } from "./dom.js";
import { keepForSettings, takeGoogleAnswer } from "./google.js";
import { takeMailedLink } from "./links.js";
import { Messenger } from "./messenger.js";
import { Session } from "./session.js";
import { showApp } from "./views/app.js";
import { showSignIn } from "./views/sign-in.js";

const root = document.getElementById("app");

async function begin(notice = "") {
  const config = await loadConfig();
  const google = takeGoogleAnswer();
  const link = takeMailedLink();
  const session = Session.restore(config.api);
  if (session && link?.purpose !== "reset") {
    if (google?.purpose === "link") {
      keepForSettings(google.proof);
      announce("Open the settings to finish linking Google.");
    }
    enter(config, session, link);
    return;
  }
  const reset = link?.purpose === "reset" ? link.token : null;
  const asked = link?.purpose === "verify" ? "Sign in to verify your e-mail address." : notice;
  const onSignedIn = (answer) => enter(config, Session.start(config.api, answer), reset ? null : link);
  const proof = google?.purpose === "sign-in" ? google.proof : null;
  showSignIn(root, { config, notice: asked, reset, google: proof, onSignedIn });
}

function enter(config, session, link = null) {
  const api = new Api(session);
  const messenger = new Messenger(api, session);
  let left = false;
  const leave = (reason) => {
    if (left) return;
    left = true;
    messenger.stop();
    session.forget();
    hide();
    begin(reason);
  };
  session.onEnded = leave;
  const hide = showApp(root, { config, messenger, leave });
  messenger.start();
  if (link) verify(messenger, link.token);
  if (config.local) registerDevice(api, session.user).catch(() => null); // Chat works without it.
}

async function verify(messenger, token) {
  try {
    await messenger.api.post("/v1/auth/email/verify", { token });
    messenger.setUser(await messenger.api.get("/v1/users/me"));
    announce("Your e-mail address is verified.");
  } catch (error) {
    messenger.onProblem?.(error.message);
  }
}

window.addEventListener("hashchange", () => /^#(verify|reset)=/.test(location.hash) && location.reload());
begin();
