/** The second factor: set up and taken away in the settings. */

import { copy } from "../clipboard.js";
import { h, setText } from "../dom.js";
import { told } from "../errors.js";
import { field, form } from "./fields.js";
import { passwordForm } from "./proof.js";
import { recoveryCodes } from "./recovery-codes.js";
import { CODE } from "./second-step.js";

export function stateOfFactor({ enabled }) {
  return enabled ? "On" : "Off";
}

/** The part of the settings that loads itself. */
export function secondFactor({ api, onState }) {
  const node = h("div", { class: "second-factor" });
  const post = (what, body) => api.post(`/v1/auth/second-factor${what}`, body);

  async function load() {
    try {
      const { enabled, recovery_codes_left } = await api.get("/v1/auth/second-factor");
      if (enabled) on(recovery_codes_left);
      else off();
    } catch (error) {
      node.replaceChildren(h("p", { class: "form-message is-problem", role: "status" }, told(error)));
    }
  }

  function off() {
    onState(stateOfFactor({ enabled: false }));
    const explained = "With a second factor, signing in also asks for a code of an authenticator app.";
    show(
      h("p", { class: "hint" }, explained),
      passwordForm("Set up a second factor", async (body) => enrol(await post("", body))),
    );
  }

  function enrol({ secret, uri }) {
    const fields = { code: field("Code that the app shows", CODE) };
    const { node: confirm } = form(fields, {
      submitLabel: "Turn it on",
      busyLabel: "Checking…",
      onSubmit: async ({ code }) => codes((await post("/confirm", { code })).recovery_codes),
    });
    show(
      h("p", {}, "Scan this code with your authenticator app."),
      drawing(uri),
      h("p", {}, h("a", { href: uri }, "Open it in an app on this device")),
      h("p", { class: "hint" }, "Or type this secret in your app:"),
      secretText(secret),
      confirm,
    );
    fields.code.input.focus({ preventScroll: true });
  }

  function codes(recovery) {
    onState(stateOfFactor({ enabled: true }));
    show(
      h("p", { role: "status", "data-unsaved": "These recovery codes are shown only now. Leave without them?" }, "Keep these recovery codes in a safe place. Each signs you in once, without the app, and they are shown only now."),
      recoveryCodes(recovery),
      h("button", { type: "button", class: "button quiet", onclick: load }, "I have kept them"),
    );
  }

  function on(left) {
    onState(stateOfFactor({ enabled: true }));
    show(
      h("p", { class: "hint" }, `Signing in asks for a code. You have ${left} recovery codes left.`),
      h("details", {}, h("summary", {}, "New recovery codes"), passwordForm("Make new codes", async (body) => codes((await post("/recovery-codes", body)).recovery_codes))),
      h("details", {}, h("summary", {}, "Turn it off"), passwordForm("Turn off the second factor", async (body) => {
        await post("/disable", body);
        off();
      })),
    );
  }

  function show(...children) {
    node.replaceChildren(...children);
  }

  load();
  return node;
}

/** The secret for a camera. Only who sets a second factor up loads what draws it. */
function drawing(uri) {
  const node = h("div", {});
  import("../qr.js").then(({ qrCode }) => node.append(qrCode(uri, "QR code of the secret below")), () => node.remove());
  return node;
}

function secretText(secret) {
  const shown = h("code", { class: "secret" }, secret.replace(/(.{4})(?=.)/g, "$1 "));
  const note = h("span", { class: "hint", role: "status" });
  const onclick = async () => {
    const isCopied = await copy(secret, shown);
    setText(note, isCopied ? "Copied." : "This browser does not let the page copy. The secret is selected: copy it with your keyboard.");
  };
  return h("div", { class: "secret-line" }, shown, h("button", { type: "button", class: "button quiet", "aria-label": "Copy the secret", onclick }, "Copy"), note);
}
