/** Where one is signed in, and the way to end that elsewhere. */

import { nameOfDevice } from "../device.js";
import { h } from "../dom.js";
import { told } from "../errors.js";
import { exactTime, shortTime } from "../format.js";
import { turnOn } from "./held.js";

const SHOWN_AT_ONCE = 50;

export function stateOfDevices({ items, next }) {
  return `${items.length}${next ? "+" : ""} device${items.length === 1 ? "" : "s"}`;
}

/** The list, which loads itself. */
export function devices({ api, onState }) {
  const list = h("ul", { class: "devices", "aria-label": "Devices" });
  const note = h("p", { class: "form-message", role: "status" }, "Loading…");
  const more = h("button", { type: "button", class: "link", hidden: true, onclick: () => attempt(more, load) }, "Show more");
  const others = h("button", { type: "button", class: "button quiet", hidden: true, onclick: () => attempt(others, endOthers) }, "Sign out all others");
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
    return "Your other devices are signed out.";
  }

  function row(session) {
    const name = nameOfDevice(session);
    const used = session.current ? "This device" : `Last used ${shortTime(session.last_used_at)}`;
    const item = h(
      "li",
      { class: "device", "data-current": session.current },
      h("div", { class: "device-names" }, h("strong", { title: session.user_agent }, name), h("span", { class: "hint" }, `${used} · signed in ${exactTime(session.created_at)}`)),
    );
    const end = async () => {
      await api.delete(`/v1/auth/sessions/${session.id}`);
      item.remove();
      count();
      return `${name} is signed out.`;
    };
    const button = h("button", { type: "button", class: "button quiet", "aria-label": `Sign out ${name}`, onclick: () => attempt(button, end) }, "Sign out");
    if (!session.current) item.append(button);
    return item;
  }

  async function attempt(button, act) {
    button.disabled = true;
    let problem = null;
    say("", false);
    try {
      say((await act()) ?? "", false);
    } catch (error) {
      problem = error;
      say(told(error), true);
    }
    turnOn(button, problem);
  }

  function say(text, isProblem) {
    note.textContent = text;
    note.classList.toggle("is-problem", isProblem);
  }

  attempt(more, load);
  return h("div", { class: "device-list" }, list, more, note, others);
}
