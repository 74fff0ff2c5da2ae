/** The second factor: set up and turned off in the settings. */

import { copyOrSelect } from "../../../browser/clipboard.js";
import { h, setText } from "../../../browser/dom.js";
import { told } from "../../../server/errors.js";
import { t } from "../../../text/texts.js";
import { field, form } from "../../parts/fields.js";
import { passwordForm } from "../../sign-in/proof.js";
import { recoveryCodes } from "../../sign-in/recovery-codes.js";
import { CODE } from "../../sign-in/second-step.js";

export function stateOfFactor({ enabled }) {
  return enabled ? t("settings.on") : t("settings.off");
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
      h("p", {}, t("secondFactor.scan")),
      drawing(uri),
      h("p", {}, h("a", { href: uri }, t("secondFactor.openHere"))),
      h("p", { class: "hint" }, t("secondFactor.type")),
      secretText(secret),
      confirm,
    );
    fields.code.input.focus({ preventScroll: true });
  }

  function codes(recovery) {
    onState(stateOfFactor({ enabled: true }));
    show(
      h("p", { role: "status", "data-unsaved": t("codes.leaveQuestion") }, t("secondFactor.keepCodes")),
      recoveryCodes(recovery),
      h("button", { type: "button", class: "button quiet", onclick: load }, t("secondFactor.kept")),
    );
  }

  function on(left) {
    onState(stateOfFactor({ enabled: true }));
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

/** The secret for a camera. The module that draws it is loaded only here. */
function drawing(uri) {
  const node = h("div", {});
  import("../../../qr.js").then(({ qrCode }) => node.append(qrCode(uri, t("secondFactor.drawing"))), () => node.remove());
  return node;
}

function secretText(secret) {
  const shown = h("code", { class: "secret", dir: "ltr" }, secret.replace(/(.{4})(?=.)/g, "$1 "));
  const note = h("span", { class: "hint", role: "status" });
  const onclick = async () => setText(note, (await copyOrSelect(secret, shown)) ? t("secondFactor.copied") : t("secondFactor.cannotCopy"));
  return h("div", { class: "secret-line" }, shown, h("button", { type: "button", class: "button quiet", "aria-label": t("secondFactor.copySecret"), onclick }, t("codes.copy")), note);
}
