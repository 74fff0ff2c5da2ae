/** Starts the client: either someone is signed in, or they are asked to. */

import { Api } from "./api.js";
import { loadConfig } from "./config.js";
import { registerDevice } from "./device.js";
import { announce } from "./dom.js";
import { told } from "./errors.js";
import { keepFocus } from "./focus.js";
import { keepForSettings, takeGoogleAnswer } from "./google.js";
import { leaveKeysToInputMethods } from "./keys.js";
import { startLanguage } from "./language.js";
import { takeMailedLink } from "./links.js";
import { Messenger } from "./messenger.js";
import { onSignInElsewhere, Session } from "./session.js";
import { keepShell } from "./shell.js";
import { t } from "./texts.js";
import { showTheme } from "./theme.js";
import { showApp } from "./views/app.js";
import { showNewVersion } from "./views/new-version.js";
import { showSignIn } from "./views/sign-in.js";

const root = document.getElementById("app");

async function begin(notice = "") {
  const config = await loadConfig();
  const google = takeGoogleAnswer();
  const link = takeMailedLink();
  const session = Session.restore(config.api);
  if (session && link?.purpose !== "reset") {
    if (google?.purpose === "link") keepForSettings(google.proof);
    enter(config, session, link);
    return;
  }
  ask(config, { notice, google: google?.purpose === "sign-in" ? google : null, link });
}

function ask(config, { notice, google, link }) {
  const reset = link?.purpose === "reset" ? link.token : null;
  const asked = link?.purpose === "verify" ? t("signIn.toVerify") : notice;
  const stopWatching = onSignInElsewhere((session) => {
    if (reset || google) {
      session.close();
      return;
    }
    stopWatching();
    follow(config, session, link);
  });
  const onSignedIn = (answer, everywhere) => {
    stopWatching();
    enter(config, Session.start(config.api, answer, everywhere), reset ? null : link);
  };
  showSignIn(root, { config, notice: asked, reset, google, onSignedIn });
}

/** Goes on with the session of another tab. */
function follow(config, session, link = null) {
  if (session.api === config.api) enter(config, session, link);
  else location.reload(); // It is signed in on another server.
}

function enter(config, session, link = null) {
  const api = new Api(session);
  const messenger = new Messenger(api, session);
  let left = false;
  const leave = (reason, next = null) => {
    if (left) return;
    left = true;
    messenger.stop();
    if (next) session.close();
    else session.forget();
    hide();
    if (next) follow(config, next);
    else begin(reason);
  };
  session.onEnded = leave;
  // A user signed in for all tabs, so this session is not needed any more.
  session.onReplaced = (next) => {
    api.post("/v1/auth/logout").catch(() => null);
    leave("", next);
  };
  const hide = showApp(root, { config, messenger, leave });
  messenger.start();
  if (link) verify(messenger, link.token);
  if (config.local) registerDevice(api, session.user).catch(() => null); // Chat works without it.
}

async function verify(messenger, token) {
  try {
    await messenger.api.post("/v1/auth/email/verify", { token });
    await messenger.lookAtProfile();
    announce(t("verify.done"));
  } catch (error) {
    messenger.onProblem?.(told(error));
  }
}

keepFocus();
leaveKeysToInputMethods();
showTheme();
keepShell({ onNewVersion: showNewVersion });
await startLanguage();
window.addEventListener("hashchange", () => /^#(verify|reset)=/.test(location.hash) && location.reload());
begin();
