/** Google: a button to sign in with, what follows on coming back, and the link in the settings. */

import { goToGoogle, takeForSettings } from "../../account/google.js";
import { h } from "../../browser/dom.js";
import { googleStart, signInWithGoogle } from "../../server/api.js";
import { told } from "../../server/errors.js";
import { exactTime } from "../../text/format.js";
import { t } from "../../text/texts.js";
import { field, form } from "../parts/fields.js";
import { turnOn } from "../parts/held.js";
import { proofForm } from "./proof.js";
import { secondStep } from "./second-step.js";

/** A button, once the server says that it supports Google. */
export function googleButton(api, isEverywhere) {
  const node = h("div", { class: "google" });
  googleStart(api)
    .then((start) => node.append(toGoogle(t("google.continue"), start, () => ({ purpose: "sign-in", everywhere: isEverywhere() }))))
    .catch(() => null); // The user can sign in by password.
  return node;
}

/** Signs in with Google's token, and asks for a username or a code where needed. */
export function googleStep(api, proof, { onSignedIn, onBack }) {
  const node = h("div", { class: "sign-in-ways" });
  const note = h("p", { class: "form-message", role: "status" }, t("signIn.busy"));
  const back = () => h("button", { type: "button", class: "link", onclick: onBack }, t("recovery.back"));
  const attempt = async (more = {}) => signInWithGoogle(api, { ...proof, ...more });
  const show = (...children) => {
    node.replaceChildren(...children, back());
    node.querySelector("input")?.focus();
  };

  function ask(error, more) {
    if (error.code === "username_required") show(usernameForm());
    else if (error.code === "second_factor_required") show(secondStep({ again: (code) => attempt({ ...more, ...code }), refused: error, onDone: onSignedIn }));
    else {
      note.textContent = told(error);
      note.classList.add("is-problem");
      show(note);
    }
  }

  function usernameForm() {
    const hint = t("google.newHere");
    const fields = { username: field(t("register.username"), { autocomplete: "username", autocapitalize: "none", spellcheck: "false", most: 32, required: true, hint }) };
    return form(fields, {
      submitLabel: t("google.join"),
      busyLabel: t("register.busy"),
      onSubmit: async ({ username }) => onSignedIn(await attempt({ username: username.trim() })),
    }).node;
  }

  show(note);
  attempt().then(onSignedIn, (error) => ask(error, {}));
  return node;
}

export function stateOfGoogle({ linked }) {
  return linked ? t("settings.linked") : t("settings.notLinked");
}

/** The part of the settings that loads itself. */
export function googleLink({ api, onState }) {
  const node = h("div", { class: "device-list google" });
  const say = (text, isProblem = false) => h("p", { class: `form-message${isProblem ? " is-problem" : ""}`, role: "status" }, text);

  async function load(proof = null) {
    try {
      const { linked, linked_at } = await api.get("/v1/users/me/google");
      onState(stateOfGoogle({ linked }));
      if (linked) on(linked_at);
      else if (proof) finish(proof);
      else off(await googleStart(api.session.api));
    } catch (error) {
      node.replaceChildren(say(told(error)));
    }
  }

  function on(since) {
    const unlink = h("button", { type: "button", class: "button quiet", onclick: remove }, t("google.unlink"));
    node.replaceChildren(h("p", { class: "hint" }, t("google.linked", { when: exactTime(since) })), unlink);
  }

  async function remove({ target }) {
    target.disabled = true;
    try {
      await api.delete("/v1/users/me/google");
      await load();
    } catch (error) {
      turnOn(target, error);
      node.append(say(told(error), true));
    }
  }

  function off(start) {
    node.replaceChildren(h("p", { class: "hint" }, t("google.canLink")), toGoogle(t("google.link"), start, () => ({ purpose: "link" })));
  }

  function finish(proof) {
    const fields = { password: field(t("form.passwordAgain"), { type: "password", autocomplete: "current-password", required: true }) };
    const { node: asking } = proofForm(fields, {
      submitLabel: t("google.finish"),
      busyLabel: t("google.finishBusy"),
      submitClass: "quiet",
      onSubmit: async (values) => {
        await api.put("/v1/users/me/google", { ...proof, ...values });
        await load();
      },
    });
    node.replaceChildren(asking);
  }

  load(takeForSettings());
  return node;
}

function toGoogle(submitLabel, start, options) {
  return form({}, { submitLabel, busyLabel: t("google.going"), submitClass: "quiet", onSubmit: () => goToGoogle(start, options()) }).node;
}
