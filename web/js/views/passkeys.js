/** Passkeys: listed, added and removed in the settings. */

import { h } from "../dom.js";
import { told } from "../errors.js";
import { exactTime, shortTime } from "../format.js";
import { make, namedAddress } from "../passkeys.js";
import { field, form } from "./fields.js";
import { turnOn } from "./held.js";
import { moved } from "./passkey-button.js";
import { proofForm } from "./proof.js";

export function stateOfPasskeys({ items }) {
  return items.length ? `${items.length} passkey${items.length === 1 ? "" : "s"}` : "None";
}

/** The part of the settings that loads itself. */
export function passkeys({ api, onState }) {
  const list = h("ul", { class: "devices", "aria-label": "Passkeys" });
  const note = h("p", { class: "form-message", role: "status" }, "Loading…");
  const say = (text, isProblem = false) => {
    note.textContent = text;
    note.classList.toggle("is-problem", isProblem);
  };

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
    const used = passkey.last_used_at ? `Last used ${shortTime(passkey.last_used_at)}` : "Not used yet";
    const button = (label, onclick) => h("button", { type: "button", class: "button quiet", "aria-label": `${label} ${passkey.name}`, onclick }, label);
    const item = h(
      "li",
      { class: "device" },
      h("div", { class: "device-names" }, h("strong", {}, passkey.name), h("span", { class: "hint" }, `${used} · added ${exactTime(passkey.created_at)}`)),
      button("Rename", () => item.replaceWith(rename(passkey))),
      button("Remove", async ({ target }) => {
        target.disabled = true;
        try {
          await api.delete(`/v1/auth/passkeys/${passkey.id}`);
          item.remove();
          count();
          say(`${passkey.name} is removed. Delete it on your device, too.`);
        } catch (error) {
          turnOn(target, error);
          say(told(error), true);
        }
      }),
    );
    return item;
  }

  function rename(passkey) {
    const fields = { name: field("Name", { value: passkey.name, most: 64 }) };
    const { node } = form(fields, {
      submitLabel: "Save",
      busyLabel: "Saving…",
      submitClass: "quiet",
      onSubmit: async (body) => item.replaceWith(row(await api.patch(`/v1/auth/passkeys/${passkey.id}`, body))),
    });
    const item = h("li", {}, node);
    return item;
  }

  const fields = {
    name: field("Name of the new passkey", { value: "My passkey", most: 64 }),
    password: field("Password, to be sure", { type: "password", autocomplete: "current-password" }),
  };
  const { node: adding } = proofForm(fields, {
    submitLabel: "Add a passkey",
    busyLabel: "Waiting for your device…",
    submitClass: "quiet",
    onSubmit: async ({ name, ...proof }) => {
      const { options } = await api.post("/v1/auth/passkeys/begin", proof);
      const credential = await make(options);
      list.append(row(await api.post("/v1/auth/passkeys", { name, credential })));
      count();
      return "Added. You can sign in with it.";
    },
  });

  load();
  const explained = "A passkey signs you in by your fingerprint, face or PIN, without a password or a code.";
  return h("div", { class: "device-list passkeys" }, h("p", { class: "hint" }, explained), list, note, namedAddress() ? moved() : adding);
}
