/** The account's names: its username, and its e-mail address, which can be changed. */

import { h, setText } from "../../../browser/dom.js";
import { told } from "../../../server/errors.js";
import { handleOf } from "../../../text/format.js";
import { parts, t } from "../../../text/texts.js";
import { field } from "../../parts/fields.js";
import { turnOn } from "../../parts/held.js";
import { passwordForm, proofForm } from "../../sign-in/proof.js";

export function stateOfAddress({ email_verified, pending_email }) {
  if (pending_email) return t("address.notConfirmed");
  return email_verified ? t("address.verified") : t("address.notVerified");
}

export function account({ messenger, api, signal }) {
  const { session } = messenger;
  const address = h("bdi", { dir: "ltr" });
  const verified = h("span", {});
  const note = h("p", { class: "form-message", role: "status", tabindex: "-1" });
  const unverified = sendAgain(api, session);
  const pending = h("div", { class: "account-step" });
  const ask = async (body) => {
    await api.post("/v1/users/me/email", body);
    await messenger.lookAtProfile();
  };
  let wanted;

  function render() {
    const { email, email_verified, pending_email } = session.user;
    setText(address, email);
    setText(verified, email_verified ? t("address.verified") : t("address.notVerified"));
    unverified.hidden = email_verified;
    if (pending_email !== wanted) follow(pending_email, email);
  }

  /** Shows another change than before, or says how it ended. */
  function follow(next, email) {
    // A button that is off has no focus any more.
    const losesFocus = document.activeElement === document.body || pending.contains(document.activeElement);
    const before = wanted;
    wanted = next;
    pending.hidden = !next;
    pending.replaceChildren(...(next ? waiting(ask, session, next) : []));
    if (before && !next) setText(note, email === before ? t("address.changed", { email }) : t("address.ended"));
    if (before && losesFocus) note.focus();
  }

  function change() {
    const fields = {
      email: field(t("address.newAddress"), { type: "email", autocomplete: "email", required: true }),
      password: field(t("form.passwordAgain"), { type: "password", autocomplete: "current-password", required: true }),
    };
    return proofForm(fields, {
      submitLabel: t("address.change"),
      busyLabel: t("recovery.busy"),
      submitClass: "quiet",
      onSubmit: async ({ email, ...proof }) => {
        setText(note, "");
        await ask({ email: email.trim(), ...proof });
        fields.email.input.value = "";
        const { pending_email } = session.user;
        return pending_email ? t("address.openLink", { email: pending_email }) : t("address.already");
      },
    }).node;
  }

  render();
  signal.addEventListener("abort", messenger.store.subscribe(render));
  const fact = (label, value) => [h("dt", {}, label), h("dd", {}, value)];
  const facts = [fact(t("register.username"), h("bdi", { dir: "ltr" }, handleOf(session.user.username))), fact(t("register.email"), address), fact(t("address.state"), verified)];
  return h("div", { class: "account" }, h("dl", { class: "facts" }, facts.flat()), note, unverified, pending, h("h4", {}, t("address.changeTitle")), change());
}

/** A change that waits for its link. */
function waiting(ask, session, email) {
  const again = passwordForm(t("verify.again"), async (proof) => {
    await ask({ email, ...proof });
    return t("verify.sentAgain", { email });
  });
  // Who asks for the address that they have wants no other any more.
  const cancel = passwordForm(t("address.cancel"), (proof) => ask({ email: session.user.email, ...proof }));
  return [
    h("p", {}, parts("address.waiting", { email: h("bdi", { dir: "ltr" }, email) })),
    h("details", {}, h("summary", {}, t("address.noMail")), again),
    h("details", {}, h("summary", {}, t("address.notWanted")), cancel),
  ];
}

/** The first address, which waits for its link. */
function sendAgain(api, session) {
  const said = h("p", { class: "hint", role: "status" });
  const button = h("button", { type: "button", class: "button quiet", onclick: send }, t("verify.again"));

  async function send() {
    button.disabled = true;
    let problem = null;
    try {
      await api.post("/v1/auth/email/verify-request");
      setText(said, t("verify.sentAgain", { email: session.user.email }));
    } catch (error) {
      problem = error;
      setText(said, told(error));
    }
    turnOn(button, problem);
  }

  return h("div", { class: "account-step" }, h("p", { class: "hint" }, t("address.openFirst")), button, said);
}
