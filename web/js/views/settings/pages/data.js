/** The user's own data: an archive is requested, made in the background, and fetched with the password. */

import { h } from "../../../browser/dom.js";
import { told } from "../../../server/errors.js";
import { exactTime } from "../../../text/format.js";
import { t } from "../../../text/texts.js";
import { passwordForm } from "../../sign-in/proof.js";

const LOOK_EVERY = 5000;

/** The part of the settings that loads itself, and looks again while an archive is being made. */
export function ownData({ api }) {
  const node = h("div", { class: "own-data" });
  const show = (...children) => node.replaceChildren(...children);

  async function load() {
    try {
      tell(await api.get("/v1/users/me/export"));
    } catch (error) {
      if (error.code === "export_not_found") offer(t("data.explained"));
      else show(h("p", { class: "form-message is-problem", role: "status" }, told(error)));
    }
  }

  function tell({ status, expires_at }) {
    if (status === "waiting") {
      show(h("p", { class: "hint", role: "status" }, t("data.waiting")));
      setTimeout(() => node.isConnected && load(), LOOK_EVERY);
    } else if (status === "ready") ready(expires_at);
    else offer(t("data.failed"));
  }

  function offer(explained) {
    const ask = passwordForm(t("data.export"), async (body) => tell(await api.post("/v1/users/me/export", body)));
    show(h("p", { class: "hint" }, explained), ask);
  }

  function ready(expires_at) {
    const link = passwordForm(t("data.getLink"), async (body) => fetchable(await api.post("/v1/users/me/export/link", body)));
    show(h("p", { class: "hint", role: "status" }, t("data.ready", { when: exactTime(expires_at) })), link);
  }

  function fetchable({ url }) {
    const link = h("a", { class: "button primary", href: url, rel: "noreferrer" }, t("data.download"));
    show(h("p", { class: "hint", role: "status" }, t("data.linkHint")), link);
    link.focus();
  }

  load();
  return node;
}
