/** The settings: how others see one, what pushes show, the password, devices, and the way out. */

import { h } from "../dom.js";
import { told } from "../errors.js";
import { facts, handleOf } from "../format.js";
import { icon } from "../icons.js";
import { t } from "../texts.js";
import { ownData } from "./data.js";
import { devices } from "./devices.js";
import { field, form } from "./fields.js";
import { googleLink } from "./google.js";
import { turnOn } from "./held.js";
import { openLayer } from "./layers.js";
import { look } from "./look.js";
import { notificationSwitch } from "./notifications.js";
import { passkeys } from "./passkeys.js";
import { allowedPrograms } from "./programs.js";
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
      h("h2", { id: "settings-title" }, t("settings.title")),
      h("button", { type: "button", class: "tool", "aria-label": t("common.close"), onclick: close }, icon("close")),
    ),
    h("div", { class: "settings-body" }, profile(messenger), previews(messenger), section(t("settings.look"), look()), password(messenger), section(t("settings.secondFactor"), secondFactor(messenger.api)), section(t("settings.passkeys"), passkeys(messenger.api)), section(t("settings.google"), googleLink(messenger.api)), section(t("settings.devices"), devices(messenger.api)), section(t("settings.programs"), allowedPrograms(messenger.api)), section(t("settings.data"), ownData(messenger.api)), goodbye(messenger, leave)),
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
    display_name: field(t("settings.name"), { value: user.display_name, most: 64, autocomplete: "name" }),
    about: field(t("settings.about"), { value: user.about ?? "", most: 140 }),
  };
  const { node } = form(fields, {
    submitLabel: t("common.save"),
    busyLabel: t("common.saving"),
    onSubmit: async (values) => {
      await change(messenger, values);
      return t("common.saved");
    },
  });
  const email = user.email_verified ? user.email : t("settings.notVerified", { email: user.email });
  return section(t("settings.profile"), h("p", { class: "hint" }, facts(handleOf(user.username), email)), node);
}

function previews(messenger) {
  const input = h("input", { type: "checkbox", id: "push-previews", role: "switch", "aria-describedby": "previews-note" });
  input.checked = messenger.session.user.push_previews;
  const hint = t("settings.previewsHint");
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
  return section(t("settings.notifications"), ...notificationSwitch(), h("label", { class: "switch", for: "push-previews" }, h("span", {}, t("settings.previews")), input), note);
}

function password(messenger) {
  const fields = {
    current_password: field(t("password.current"), { type: "password", autocomplete: "current-password" }),
    new_password: field(t("password.new"), { type: "password", autocomplete: "new-password", hint: t("form.passwordHintShort") }),
  };
  const { node } = proofForm(fields, {
    submitLabel: t("password.submit"),
    busyLabel: t("common.changing"),
    submitClass: "quiet",
    onSubmit: async (values) => {
      await messenger.api.post("/v1/auth/password", values);
      Object.values(fields).forEach((one) => (one.input.value = ""));
      return t("password.done");
    },
  });
  return section(t("settings.password"), node);
}

function goodbye(messenger, leave) {
  const fields = { password: field(t("form.passwordAgain"), { type: "password", autocomplete: "current-password" }) };
  const { node } = proofForm(fields, {
    submitLabel: t("leave.submit"),
    busyLabel: t("leave.busy"),
    submitClass: "danger",
    onSubmit: async (values) => {
      await messenger.api.post("/v1/users/me/delete", values);
      messenger.outbox.clear();
      messenger.drafts.clear();
      const reason = t("signOut.accountDeleted");
      messenger.session.end(reason);
      leave(reason);
    },
  });
  return section(t("leave.title"), h("details", {}, h("summary", {}, t("leave.open")), h("p", { class: "hint" }, t("leave.explained")), node));
}
