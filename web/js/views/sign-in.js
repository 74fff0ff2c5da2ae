/** The first page: sign in, or register, on this server or another. */

import { register, signIn, signInByPasskey } from "../api.js";
import { chooseServer, chosenServer } from "../config.js";
import { h } from "../dom.js";
import { answer } from "../passkeys.js";
import { field, form } from "./fields.js";
import { googleButton, googleStep } from "./google.js";
import { mailbox } from "./mailbox.js";
import { passkeyButton } from "./passkey-button.js";
import { forgottenForm, newPasswordForm } from "./recovery.js";
import { secondStep } from "./second-step.js";

/** `onSignedIn(answer, everywhere)`: in all tabs, or in this one alone. */
export function showSignIn(root, { config, notice, reset = null, google = null, onSignedIn }) {
  document.title = "Parley";
  const panel = h("div", { class: "sign-in-panel" });
  const tabs = {
    "sign-in": h("button", { type: "button", "aria-pressed": "true" }, "Sign in"),
    register: h("button", { type: "button", "aria-pressed": "false" }, "Create account"),
  };
  // On one machine, two tabs are two people who try the client out.
  const stay = h("input", { type: "checkbox", id: "stay", checked: google ? google.everywhere : !config.local });
  const done = (answer) => onSignedIn(answer, stay.checked);
  const said = h("p", { class: "notice", role: "status" }, notice);
  const forms = {
    "sign-in": () => signInForm(config.api, done, { isEverywhere: () => stay.checked, onForgotten: () => show("forgotten") }),
    register: () => registerForm(config.api, done),
    forgotten: () => forgottenForm(config.api, { onBack: () => show("sign-in") }),
    google: () => googleStep(config.api, google.proof, { onSignedIn: done, onBack: () => show("sign-in") }),
    reset: () => newPasswordForm(config.api, reset, { onDone: wasReset }),
  };
  const show = (name) => {
    for (const [key, tab] of Object.entries(tabs)) tab.setAttribute("aria-pressed", String(key === name));
    panel.replaceChildren(forms[name]());
    panel.querySelector("input")?.focus({ preventScroll: true });
  };
  const wasReset = () => {
    said.textContent = "Your new password is set. Sign in with it.";
    show("sign-in");
  };
  for (const [name, tab] of Object.entries(tabs)) tab.addEventListener("click", () => show(name));
  root.replaceChildren(
    h(
      "main",
      { class: "sign-in" },
      h(
        "div",
        { class: "sign-in-card" },
        h("img", { class: "logo", src: "logo.svg", alt: "", width: 56, height: 56 }),
        h("h1", {}, "Parley"),
        h("p", { class: "sign-in-lead" }, "Live when you are here. Waiting when you are not."),
        said,
        h("div", { class: "segments" }, Object.values(tabs)),
        panel,
        h("label", { class: "stay", for: "stay" }, stay, "Stay signed in, in all tabs"),
        config.local ? h("p", { class: "hint" }, "Without it, each tab is signed in on its own: open a second one to be somebody else.") : null,
        config.local ? mailbox() : null,
        serverChoice(),
      ),
    ),
  );
  show(reset ? "reset" : google ? "google" : "sign-in");
}

function signInForm(api, onSignedIn, { isEverywhere, onForgotten }) {
  const fields = {
    login: field("Username or e-mail", { autocomplete: "username", autocapitalize: "none", spellcheck: "false", required: true }),
    password: field("Password", { type: "password", autocomplete: "current-password", required: true }),
  };
  const { node } = form(fields, {
    submitLabel: "Sign in",
    busyLabel: "Signing in…",
    onSubmit: async ({ login, password }) => {
      needAll(fields);
      try {
        onSignedIn(await signIn(api, login.trim(), password));
      } catch (error) {
        if (error.code !== "second_factor_required") throw error;
        const again = (more) => signIn(api, login.trim(), password, more);
        const first = [...ways.children];
        const toFirst = () => {
          ways.replaceChildren(...first);
          fields.login.input.focus();
        };
        const back = h("button", { type: "button", class: "link", onclick: toFirst }, "Back");
        ways.replaceChildren(secondStep({ again, refused: error, onDone: onSignedIn }), back);
        document.querySelector(".sign-in-panel input").focus();
        return false;
      }
    },
  });
  node.append(h("button", { type: "button", class: "link", onclick: onForgotten }, "Forgot password?"));
  const byPasskey = passkeyButton(async () => onSignedIn(await signInByPasskey(api, answer)));
  const ways = h("div", { class: "sign-in-ways" }, node, byPasskey, googleButton(api, isEverywhere));
  return ways;
}

function registerForm(api, onSignedIn) {
  const fields = {
    display_name: field("Your name", { autocomplete: "name", most: 64, required: true }),
    username: field("Username", {
      autocomplete: "username",
      autocapitalize: "none",
      spellcheck: "false",
      most: 32,
      required: true,
      hint: "3 to 32 of a–z, 0–9 and _. People find you by it.",
    }),
    email: field("E-mail", { type: "email", autocomplete: "email", required: true }),
    password: field("Password", {
      type: "password",
      autocomplete: "new-password",
      required: true,
      hint: "At least 10 characters. A few words are good.",
    }),
  };
  const { node } = form(fields, {
    submitLabel: "Create account",
    busyLabel: "Creating your account…",
    onSubmit: async (values) => {
      needAll(fields);
      const { username, email } = values;
      onSignedIn(await register(api, { ...values, username: username.trim(), email: email.trim() }));
    },
  });
  return node;
}

function needAll(fields) {
  const empty = Object.entries(fields).filter(([, one]) => !one.input.value.trim());
  if (!empty.length) return;
  const problem = new Error("Please fill in every field.");
  problem.fields = Object.fromEntries(empty.map(([name]) => [name, "Please fill this in."]));
  throw problem;
}

function serverChoice() {
  const fields = {
    server: field("Address of the API", {
      type: "url",
      value: chosenServer(),
      placeholder: "https://chat.example.org/api",
      hint: "Leave it empty for the server that this page came from.",
    }),
  };
  const { node } = form(fields, {
    submitLabel: "Use this server",
    busyLabel: "Changing…",
    submitClass: "quiet",
    onSubmit: async ({ server }) => {
      chooseServer(server);
      location.reload();
    },
  });
  const where = chosenServer() ? `Server: ${new URL(chosenServer()).host}` : "Server";
  return h("details", { class: "server" }, h("summary", {}, where), node);
}
