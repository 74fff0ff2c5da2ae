/** The second factor: set up and taken away in the settings. */

import { h } from "../dom.js";
import { told } from "../errors.js";
import { parts, t } from "../texts.js";
import { field, form } from "./fields.js";
import { passwordForm } from "./proof.js";
import { recoveryCodes } from "./recovery-codes.js";
import { CODE } from "./second-step.js";

/** The part of the settings that loads itself. */
export function secondFactor(api) {
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
    show(
      h("p", { class: "hint" }, t("secondFactor.explained")),
      passwordForm(t("secondFactor.setUp"), async (body) => enrol(await post("", body))),
    );
  }

  function enrol({ secret, uri }) {
    const fields = { code: field(t("secondFactor.code"), CODE) };
    const { node: confirm } = form(fields, {
      submitLabel: t("secondFactor.turnOn"),
      busyLabel: t("common.checking"),
      onSubmit: async ({ code }) => codes((await post("/confirm", { code })).recovery_codes),
    });
    show(
      h("p", { class: "hint" }, parts("secondFactor.addSecret", { link: h("a", { href: uri }, t("secondFactor.openThere")) })),
      h("p", {}, h("code", { class: "secret", dir: "ltr" }, secret.replace(/(.{4})(?=.)/g, "$1 "))),
      confirm,
    );
    fields.code.input.focus();
  }

  function codes(recovery) {
    show(
      h("p", { role: "status" }, t("secondFactor.keepCodes")),
      recoveryCodes(recovery),
      h("button", { type: "button", class: "button quiet", onclick: load }, t("secondFactor.kept")),
    );
  }

  function on(left) {
    show(
      h("p", { class: "hint" }, t("secondFactor.on", { count: left })),
      h("details", {}, h("summary", {}, t("secondFactor.newCodes")), passwordForm(t("secondFactor.makeCodes"), async (body) => codes((await post("/recovery-codes", body)).recovery_codes))),
      h("details", {}, h("summary", {}, t("secondFactor.off")), passwordForm(t("secondFactor.turnOff"), async (body) => {
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
