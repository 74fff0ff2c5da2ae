/** The second factor: set up and taken away in the settings. */

import { h } from "../dom.js";
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
      h("p", { class: "hint" }, "Add this secret to your authenticator app, or ", h("a", { href: uri }, "open it there"), "."),
      h("p", {}, h("code", { class: "secret" }, secret.replace(/(.{4})(?=.)/g, "$1 "))),
      confirm,
    );
    fields.code.input.focus();
  }

  function codes(recovery) {
    show(
      h("p", { role: "status" }, "Keep these recovery codes in a safe place. Each signs you in once, without the app, and they are shown only now."),
      recoveryCodes(recovery),
      h("button", { type: "button", class: "button quiet", onclick: load }, "I have kept them"),
    );
  }

  function on(left) {
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
