/** The first page: sign in, or register, on this server or another. */

import { answer } from "../../account/passkeys.js";
import { h } from "../../browser/dom.js";
import { nameView } from "../../browser/title.js";
import { register, signIn, signInByPasskey } from "../../server/api.js";
import { chooseServer, chosenServer, EXAMPLE_SERVER } from "../../server/config.js";
import { onLanguage } from "../../text/language.js";
import { t } from "../../text/texts.js";
import { mailbox } from "../local/mailbox.js";
import { field, form } from "../parts/fields.js";
import { drawAgain, languageChoice } from "../settings/pages/language.js";
import { googleButton, googleStep } from "./google.js";
import { passkeyButton } from "./passkey-button.js";
import { forgottenForm, newPasswordForm } from "./recovery.js";
import { secondStep } from "./second-step.js";

/** `onSignedIn(answer, everywhere)`: in all tabs, or in this one alone. */
export function showSignIn(root, options) {
  let page;
  const draw = (kept) => {
    page = signInPage({ ...options, ...kept });
    root.replaceChildren(page.node);
    page.begin();
  };
  const stop = onLanguage(() => {
    if (page.node.isConnected) drawAgain(() => draw(page.kept()));
    else stop();
  });
  draw({});
}

/** `first` is the form to begin with, `typed` what its fields hold. */
function signInPage({ config, notice, reset = null, google = null, onSignedIn, first, stays, typed = {} }) {
  const panel = h("div", { class: "sign-in-panel" });
  const tabs = {
    "sign-in": h("button", { type: "button", "aria-pressed": "true" }, t("signIn.tab")),
    register: h("button", { type: "button", "aria-pressed": "false" }, t("signIn.registerTab")),
  };
  // On one machine, two tabs are two people who try the client out.
  const stay = h("input", { type: "checkbox", id: "stay", checked: stays ?? (google ? google.everywhere : !config.local) });
  const done = (answer) => onSignedIn(answer, stay.checked);
  const said = h("p", { class: "notice", role: "status" });
  const forms = {
    "sign-in": () => signInForm(config.api, done, { isEverywhere: () => stay.checked, onForgotten: () => show("forgotten") }),
    register: () => registerForm(config.api, done),
    forgotten: () => forgottenForm(config.api, { onBack: () => show("sign-in") }),
    google: () => googleStep(config.api, google.proof, { onSignedIn: done, onBack: () => show("sign-in") }),
    reset: () => newPasswordForm(config.api, reset, { onDone: wasReset }),
  };
  let shown = first ?? (reset ? "reset" : google ? "google" : "sign-in");
  const show = (name) => {
    shown = name;
    for (const [key, tab] of Object.entries(tabs)) tab.setAttribute("aria-pressed", String(key === name));
    nameView({ register: t("signIn.registerTab"), forgotten: t("signIn.forgot"), reset: t("recovery.setSubmit") }[name] ?? t("signIn.tab"));
    panel.replaceChildren(forms[name]());
    panel.querySelector("input")?.focus({ preventScroll: true });
  };
  const wasReset = () => {
    said.textContent = t("signIn.resetDone");
    show("sign-in");
  };
  for (const [name, tab] of Object.entries(tabs)) tab.addEventListener("click", () => show(name));
  const node = h(
    "main",
    { class: "sign-in" },
    h(
      "div",
      { class: "sign-in-card" },
      h("img", { class: "logo", src: "logo.svg", alt: "", width: 56, height: 56 }),
      h("h1", {}, "Parley"),
      h("p", { class: "sign-in-lead" }, t("signIn.lead")),
      said,
      h("div", { class: "segments" }, Object.values(tabs)),
      panel,
      h("label", { class: "stay", for: "stay" }, stay, t("signIn.stay")),
      config.local ? h("p", { class: "hint" }, t("signIn.stayHint")) : null,
      config.local ? mailbox() : null,
      serverChoice(),
      languageChoice(),
    ),
  );
  const inputs = () => [...panel.querySelectorAll("input[autocomplete]")];

  return {
    node,
    begin() {
      said.textContent = notice ?? ""; // Said because it comes after its element.
      show(shown);
      for (const input of inputs()) input.value = typed[input.autocomplete] ?? "";
    },
    kept: () => ({
      first: shown,
      notice: said.textContent,
      stays: stay.checked,
      typed: Object.fromEntries(inputs().map((input) => [input.autocomplete, input.value])),
    }),
  };
}

function signInForm(api, onSignedIn, { isEverywhere, onForgotten }) {
  const fields = {
    login: field(t("signIn.login"), { autocomplete: "username", autocapitalize: "none", spellcheck: "false", required: true }),
    password: field(t("signIn.password"), { type: "password", autocomplete: "current-password", required: true }),
  };
  const { node } = form(fields, {
    submitLabel: t("signIn.submit"),
    busyLabel: t("signIn.busy"),
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
        const back = h("button", { type: "button", class: "link", onclick: toFirst }, t("common.back"));
        ways.replaceChildren(secondStep({ again, refused: error, onDone: onSignedIn }), back);
        document.querySelector(".sign-in-panel input").focus();
        return false;
      }
    },
  });
  node.append(h("button", { type: "button", class: "link", onclick: onForgotten }, t("signIn.forgot")));
  const byPasskey = passkeyButton(async () => onSignedIn(await signInByPasskey(api, answer)));
  const ways = h("div", { class: "sign-in-ways" }, node, byPasskey, googleButton(api, isEverywhere));
  return ways;
}

function registerForm(api, onSignedIn) {
  const fields = {
    display_name: field(t("register.name"), { autocomplete: "name", most: 64, required: true }),
    username: field(t("register.username"), {
      autocomplete: "username",
      autocapitalize: "none",
      spellcheck: "false",
      most: 32,
      required: true,
      hint: t("register.usernameHint"),
    }),
    email: field(t("register.email"), { type: "email", autocomplete: "email", required: true }),
    password: field(t("signIn.password"), {
      type: "password",
      autocomplete: "new-password",
      required: true,
      hint: t("form.passwordHint"),
    }),
  };
  const { node } = form(fields, {
    submitLabel: t("register.submit"),
    busyLabel: t("register.busy"),
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
  const problem = new Error(t("form.fillAll"));
  problem.fields = Object.fromEntries(empty.map(([name]) => [name, t("form.fillThis")]));
  throw problem;
}

function serverChoice() {
  const fields = {
    server: field(t("server.address"), {
      type: "url",
      value: chosenServer(),
      placeholder: EXAMPLE_SERVER,
      hint: t("server.hint"),
    }),
  };
  const { node } = form(fields, {
    submitLabel: t("server.submit"),
    busyLabel: t("common.changing"),
    submitClass: "quiet",
    onSubmit: async ({ server }) => {
      chooseServer(server);
      location.reload();
    },
  });
  const where = chosenServer() ? t("server.titleOf", { host: new URL(chosenServer()).host }) : t("server.title");
  return h("details", { class: "server" }, h("summary", {}, where), node);
}
