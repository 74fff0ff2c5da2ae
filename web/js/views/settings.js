/** The settings: how others see one, what pushes show, the password, devices, and the way out. */

import { h } from "../dom.js";
import { told } from "../errors.js";
import { icon } from "../icons.js";
import { ownData } from "./data.js";
import { devices } from "./devices.js";
import { field, form } from "./fields.js";
import { googleLink } from "./google.js";
import { turnOn } from "./held.js";
import { openLayer } from "./layers.js";
import { look } from "./look.js";
import { notificationSwitch } from "./notifications.js";
import { passkeys } from "./passkeys.js";
import { programs } from "./programs.js";
import { proofForm } from "./proof.js";
import { secondFactor } from "./second-factor.js";

/** Opens the dialog. `leave(reason)` is called when the account is gone. */
export function openSettings({ messenger, leave }) {
  const dialog = h("dialog", { class: "settings", "aria-labelledby": "settings-title" });
  const close = () => dialog.close();
  dialog.append(
    h(
      "header",
      { class: "bar" },
      h("h2", { id: "settings-title" }, "Settings"),
      h("button", { type: "button", class: "tool", "aria-label": "Close", onclick: close }, icon("close")),
    ),
    h("div", { class: "settings-body" }, profile(messenger), previews(messenger), section("Look", look()), password(messenger), section("Second factor", secondFactor(messenger.api)), section("Passkeys", passkeys(messenger.api)), section("Google", googleLink(messenger.api)), section("Devices", devices(messenger.api)), section("Programs", programs(messenger.api)), section("Your data", ownData(messenger.api)), goodbye(messenger, leave)),
  );
  const closed = openLayer(close);
  dialog.addEventListener("close", () => {
    dialog.remove();
    closed();
  });
  dialog.addEventListener("click", (event) => event.target === dialog && close());
  document.body.append(dialog);
  dialog.showModal();
}

function section(title, ...children) {
  return h("section", {}, h("h3", {}, title), ...children);
}

async function change(messenger, changes) {
  messenger.setUser(await messenger.api.patch("/v1/users/me", changes));
}

function profile(messenger) {
  const { user } = messenger.session;
  const fields = {
    display_name: field("Your name", { value: user.display_name, most: 64, autocomplete: "name" }),
    about: field("About you", { value: user.about ?? "", most: 140 }),
  };
  const { node } = form(fields, {
    submitLabel: "Save",
    busyLabel: "Saving…",
    onSubmit: async (values) => {
      await change(messenger, values);
      return "Saved.";
    },
  });
  return section("Profile", h("p", { class: "hint" }, `@${user.username} · ${user.email}${user.email_verified ? "" : ", not verified"}`), node);
}

function previews(messenger) {
  const input = h("input", { type: "checkbox", id: "push-previews", role: "switch", "aria-describedby": "previews-note" });
  input.checked = messenger.session.user.push_previews;
  const hint = "If not, a notification only says that there is a new message.";
  const note = h("p", { class: "hint", id: "previews-note", role: "status" }, hint);
  input.addEventListener("change", async () => {
    const wanted = input.checked;
    let problem = null;
    input.disabled = true;
    note.textContent = hint;
    try {
      await change(messenger, { push_previews: wanted });
    } catch (error) {
      problem = error;
      input.checked = !wanted;
      note.textContent = told(error);
    }
    turnOn(input, problem);
    input.focus();
  });
  return section("Notifications", ...notificationSwitch(), h("label", { class: "switch", for: "push-previews" }, h("span", {}, "Show what a message says"), input), note);
}

function password(messenger) {
  const fields = {
    current_password: field("Current password", { type: "password", autocomplete: "current-password" }),
    new_password: field("New password", { type: "password", autocomplete: "new-password", hint: "At least 10 characters." }),
  };
  const { node } = proofForm(fields, {
    submitLabel: "Change password",
    busyLabel: "Changing…",
    submitClass: "quiet",
    onSubmit: async (values) => {
      await messenger.api.post("/v1/auth/password", values);
      Object.values(fields).forEach((one) => (one.input.value = ""));
      return "Changed. Your other devices are signed out.";
    },
  });
  return section("Password", node);
}

function goodbye(messenger, leave) {
  const fields = { password: field("Password, to be sure", { type: "password", autocomplete: "current-password" }) };
  const { node } = proofForm(fields, {
    submitLabel: "Delete my account",
    busyLabel: "Deleting…",
    submitClass: "danger",
    onSubmit: async (values) => {
      await messenger.api.post("/v1/users/me/delete", values);
      messenger.outbox.clear();
      messenger.drafts.clear();
      messenger.session.end("Your account is deleted.");
      leave("Your account is deleted.");
    },
  });
  const what = "Your profile and devices go; what you wrote stays with those you wrote to, as from a deleted user.";
  return section("Delete account", h("details", {}, h("summary", {}, "I want to leave"), h("p", { class: "hint" }, what), node));
}
