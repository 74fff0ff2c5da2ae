/** The account's names: its username, and its e-mail address, which can be changed. */

import { h, setText } from "../dom.js";
import { field } from "./fields.js";
import { passwordForm, proofForm } from "./proof.js";
import { turnOn } from "./held.js";
import { told } from "../errors.js";

const FRESH = "unless one was mailed within the last 10 minutes";

export function stateOfAddress({ email_verified, pending_email }) {
  if (pending_email) return "Change not confirmed yet";
  return email_verified ? "Verified" : "Not verified";
}

export function account({ messenger, api, signal }) {
  const { session } = messenger;
  const address = h("dd", {});
  const verified = h("dd", {});
  const note = h("p", { class: "form-message", role: "status", tabindex: "-1" });
  const unverified = h("div", { class: "account-step" }, h("p", { class: "hint" }, "Open the link that was mailed to this address, to be able to sign in with it."), sendAgain(api, session));
  const pending = h("div", { class: "account-step" });
  const ask = async (body) => {
    await api.post("/v1/users/me/email", body);
    await messenger.lookAtProfile();
  };
  let shown = null;

  function render() {
    const { email, email_verified, pending_email } = session.user;
    setText(address, email);
    setText(verified, email_verified ? "Verified" : "Not verified");
    unverified.hidden = email_verified;
    if (shown === pending_email) return;
    const before = shown;
    shown = pending_email;
    const hadFocus = pending.contains(document.activeElement);
    pending.hidden = !shown;
    pending.replaceChildren(...(shown ? waiting(shown) : []));
    if (before && !shown) setText(note, email === before ? `Your address is ${email} now.` : "The change has ended.");
    if (hadFocus) note.focus();
  }

  function waiting(email) {
    const again = passwordForm("Send the link again", async ({ password, ...more }) => {
      await ask({ email, password, ...more });
      return `A new link is on its way to ${email}, ${FRESH}.`;
    });
    // Who asks for the address that they have wants no other any more.
    const cancel = passwordForm("Cancel the change", (proof) => ask({ email: session.user.email, ...proof }));
    return [
      h("p", {}, "A link was mailed to ", h("strong", {}, email), ". Open it within a day, and this address takes the place of yours."),
      h("details", {}, h("summary", {}, "No mail?"), again),
      h("details", {}, h("summary", {}, "You do not want it any more?"), cancel),
    ];
  }

  function change() {
    const fields = {
      email: field("New e-mail address", { type: "email", autocomplete: "email", required: true }),
      password: field("Password, to be sure", { type: "password", autocomplete: "current-password", required: true }),
    };
    return proofForm(fields, {
      submitLabel: "Change address",
      busyLabel: "Asking…",
      submitClass: "quiet",
      onSubmit: async ({ email, ...proof }) => {
        setText(note, "");
        await ask({ email: email.trim(), ...proof });
        fields.email.input.value = "";
        return session.user.pending_email ? `Open the link that was mailed to ${session.user.pending_email}.` : "This is your address already.";
      },
    }).node;
  }

  render();
  signal.addEventListener("abort", messenger.store.subscribe(render));
  return h(
    "div",
    { class: "account" },
    h("dl", { class: "facts" }, h("dt", {}, "Username"), h("dd", {}, `@${session.user.username}`), h("dt", {}, "E-mail"), address, h("dt", {}, "State"), verified),
    note,
    unverified,
    pending,
    h("h4", {}, "Change your address"),
    change(),
  );
}

function sendAgain(api, session) {
  const said = h("p", { class: "hint", role: "status" });
  const button = h("button", { type: "button", class: "button quiet", onclick: send }, "Send the link again");

  async function send() {
    button.disabled = true;
    let problem = null;
    try {
      await api.post("/v1/auth/email/verify-request");
      setText(said, `A new link is on its way to ${session.user.email}, ${FRESH}.`);
    } catch (error) {
      problem = error;
      setText(said, told(error));
    }
    turnOn(button, problem);
  }

  return h("div", { class: "account-step" }, button, said);
}
