/** Starts the client: either someone is signed in, or they are asked to. */

import { registerDevice } from "./account/device.js";
import { keepForSettings, takeGoogleAnswer } from "./account/google.js";
import { takeMailedLink } from "./account/links.js";
import { onSignInElsewhere, Session } from "./account/session.js";
import { announce } from "./browser/dom.js";
import { keepFocus } from "./browser/focus.js";
import { leaveKeysToInputMethods } from "./browser/keys.js";
import { keepShell } from "./browser/shell.js";
import { showTheme } from "./browser/theme.js";
import { Messenger } from "./chats/messenger.js";
import { Api } from "./server/api.js";
import { loadConfig } from "./server/config.js";
import { told } from "./server/errors.js";
import { startLanguage } from "./text/language.js";
import { t } from "./text/texts.js";
import { showApp } from "./views/app.js";
import { showNewVersion } from "./views/notices/new-version.js";
import { showSignIn } from "./views/sign-in/sign-in.js";

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
