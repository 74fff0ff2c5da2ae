/** Passkeys: listed, added and removed in the settings. */

import { make, namedAddress } from "../../../account/passkeys.js";
import { h } from "../../../browser/dom.js";
import { told } from "../../../server/errors.js";
import { exactTime, facts, shortTime } from "../../../text/format.js";
import { t } from "../../../text/texts.js";
import { field, form } from "../../parts/fields.js";
import { outcomeLine } from "../../parts/outcome.js";
import { moved } from "../../sign-in/passkey-button.js";
import { proofForm } from "../../sign-in/proof.js";

export function stateOfPasskeys({ items }) {
  return items.length ? t("settings.countPasskeys", { count: items.length }) : t("settings.none");
}

/** The part of the settings that loads itself. */
export function passkeys({ api, onState }) {
  const list = h("ul", { class: "devices", "aria-label": t("settings.passkeys") });
  const { node: note, say, attempt } = outcomeLine();

  async function load() {
    try {
      const { items } = await api.get("/v1/auth/passkeys");
      list.replaceChildren(...items.map(row));
      count();
      say("");
    } catch (error) {
      say(told(error), true);
    }
  }

  function count() {
    onState(stateOfPasskeys({ items: [...list.children] }));
  }

  function row(passkey) {
    const used = passkey.last_used_at ? t("devices.used", { when: shortTime(passkey.last_used_at) }) : t("passkeys.notUsed");
    const { name } = passkey;
    const button = (label, labelOf, onclick) => h("button", { type: "button", class: "button quiet", "aria-label": labelOf, onclick }, label);
    const remove = async () => {
      await api.delete(`/v1/auth/passkeys/${passkey.id}`);
      item.remove();
      count();
      return t("passkeys.removed", { name });
    };
    const item = h(
      "li",
      { class: "device" },
      h("div", { class: "device-names" }, h("strong", { dir: "auto" }, name), h("span", { class: "hint" }, facts(used, t("passkeys.added", { when: exactTime(passkey.created_at) })))),
      button(t("passkeys.rename"), t("passkeys.renameOf", { name }), () => item.replaceWith(rename(passkey))),
      button(t("common.remove"), t("passkeys.removeOf", { name }), ({ target }) => attempt(target, remove)),
    );
    return item;
  }

  function rename(passkey) {
    const fields = { name: field(t("passkeys.name"), { value: passkey.name, most: 64 }) };
    const { node } = form(fields, {
      submitLabel: t("common.save"),
      busyLabel: t("common.saving"),
      submitClass: "quiet",
      onSubmit: async (body) => item.replaceWith(row(await api.patch(`/v1/auth/passkeys/${passkey.id}`, body))),
    });
    const item = h("li", {}, node);
    return item;
  }

  const onAdded = (passkey) => {
    list.append(row(passkey));
    count();
  };
  load();
  return h("div", { class: "device-list passkeys" }, h("p", { class: "hint" }, t("passkeys.explained")), list, note, namedAddress() ? moved() : addForm(api, onAdded));
}

function addForm(api, onAdded) {
  const fields = {
    name: field(t("passkeys.newName"), { value: t("passkeys.mine"), most: 64 }),
    password: field(t("form.passwordAgain"), { type: "password", autocomplete: "current-password" }),
  };
  const { node } = proofForm(fields, {
    submitLabel: t("passkeys.add"),
    busyLabel: t("passkeys.addBusy"),
    submitClass: "quiet",
    onSubmit: async ({ name, ...proof }) => {
      const { options } = await api.post("/v1/auth/passkeys/begin", proof);
      const credential = await make(options);
      onAdded(await api.post("/v1/auth/passkeys", { name, credential }));
      return t("passkeys.addDone");
    },
  });
  return node;
}
