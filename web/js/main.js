/** Starts the client: either someone is signed in in this tab, or they are asked to. */

import { Api } from "./api.js";
import { loadConfig } from "./config.js";
import { registerDevice } from "./device.js";
import { Messenger } from "./messenger.js";
import { Session } from "./session.js";
import { showApp } from "./views/app.js";
import { showSignIn } from "./views/sign-in.js";

const root = document.getElementById("app");

async function begin(notice = "") {
  const config = await loadConfig();
  const session = Session.restore(config.api);
  if (session) enter(config, session);
  else showSignIn(root, { config, notice, onSignedIn: (answer) => enter(config, Session.start(config.api, answer)) });
}

function enter(config, session) {
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
  if (config.local) registerDevice(api, session.user).catch(() => null); // Chat works without it.
}

begin();
