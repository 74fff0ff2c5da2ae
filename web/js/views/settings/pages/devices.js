/** The devices that are signed in, each with a button to sign it out. */

import { nameOfDevice } from "../../../account/device.js";
import { h } from "../../../browser/dom.js";
import { exactTime, facts, shortTime } from "../../../text/format.js";
import { t } from "../../../text/texts.js";
import { outcomeLine } from "../../parts/outcome.js";

const SHOWN_AT_ONCE = 50;

export function stateOfDevices({ items, next }) {
  return next ? t("settings.manyDevices", { number: items.length }) : t("settings.countDevices", { count: items.length });
}

/** The list, which loads itself. */
export function devices({ api, onState }) {
  const list = h("ul", { class: "devices", "aria-label": t("settings.devices") });
  const { node: note, attempt } = outcomeLine();
  const more = h("button", { type: "button", class: "link", hidden: true, onclick: () => attempt(more, load) }, t("devices.more"));
  const others = h("button", { type: "button", class: "button quiet", hidden: true, onclick: () => attempt(others, endOthers) }, t("devices.endOthers"));
  let next = null;

  async function load() {
    const page = await api.get(`/v1/auth/sessions?limit=${SHOWN_AT_ONCE}${next ? `&cursor=${encodeURIComponent(next)}` : ""}`);
    next = page.next;
    list.append(...page.items.map(row));
    more.hidden = !next;
    count();
  }

  function count() {
    others.hidden = list.childElementCount < 2;
    onState(stateOfDevices({ items: [...list.children], next }));
  }

  async function endOthers() {
    await api.delete("/v1/auth/sessions");
    list.replaceChildren(...[...list.children].filter((item) => "current" in item.dataset));
    next = null;
    more.hidden = true;
    count();
    return t("devices.othersEnded");
  }

  function row(session) {
    const name = nameOfDevice(session);
    const used = session.current ? t("devices.this") : t("devices.used", { when: shortTime(session.last_used_at) });
    const item = h(
      "li",
      { class: "device", "data-current": session.current },
      h("div", { class: "device-names" }, h("strong", { title: session.user_agent, dir: "auto" }, name), h("span", { class: "hint" }, facts(used, t("devices.signedIn", { when: exactTime(session.created_at) })))),
    );
    const end = async () => {
      await api.delete(`/v1/auth/sessions/${session.id}`);
      item.remove();
      count();
      return t("devices.ended", { name });
    };
    const button = h("button", { type: "button", class: "button quiet", "aria-label": t("devices.endOf", { name }), onclick: () => attempt(button, end) }, t("devices.end"));
    if (!session.current) item.append(button);
    return item;
  }

  attempt(more, load);
  return h("div", { class: "device-list" }, list, more, note, others);
}
