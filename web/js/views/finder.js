/** One field that narrows the chat list, and starts a chat with the user of that name. */

import { h, setText } from "../dom.js";
import { told } from "../errors.js";
import { handleOf } from "../format.js";
import { icon } from "../icons.js";
import { lengthOf } from "../text.js";
import { t } from "../texts.js";

const MOST = 32;

export function finder({ messenger, onFilter, onOpen, onDown }) {
  const { store } = messenger;
  const input = h("input", {
    type: "search",
    id: "find",
    dir: "auto",
    placeholder: t("chats.find"),
    "aria-label": t("chats.find"),
    "aria-describedby": "find-problem",
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
  });
  const label = h("span", {});
  const start = h("button", { type: "submit", class: "start-chat", hidden: true }, icon("add"), label);
  const problem = h("p", { id: "find-problem", class: "find-problem", role: "status" });
  const node = h("form", { class: "finder", role: "search" }, h("div", { class: "find-box" }, icon("search"), input), start, problem);
  let busy = false;
  let heldUntil = 0;

  const username = () => input.value.trim().replace(/^@/, "").toLowerCase();
  const isKnown = () => [...store.people.values()].some((one) => one.username === username());

  function render() {
    start.hidden = !username() || lengthOf(username()) > MOST || (isKnown() && !busy);
    setText(label, t(busy ? "chats.looking" : "chats.start", { username: handleOf(username()) }));
  }

  function clear() {
    input.value = "";
    setText(problem, "");
    onFilter("");
    render();
  }

  function knownChat() {
    const person = [...store.people.values()].find((one) => one.username === username());
    return person && store.sortedChats().find((chat) => chat.partnerId === person.id && person.id !== store.me);
  }

  input.addEventListener("input", () => {
    setText(problem, "");
    onFilter(username());
    render();
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") {
      event.preventDefault();
      onDown();
    } else if (event.key === "Escape" && input.value) {
      event.preventDefault();
      clear();
    }
  });
  node.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy || !username() || Date.now() < heldUntil) return;
    const wanted = username();
    if (lengthOf(wanted) > MOST) {
      setText(problem, t("chats.usernameTooLong", { count: MOST }));
      return;
    }
    busy = true;
    render();
    try {
      const chat = knownChat() ?? (await messenger.startChat(wanted));
      clear();
      onOpen(chat.id);
    } catch (error) {
      heldUntil = Date.now() + (error.retryAfter ?? 0);
      const nobody = error.status === 404 || error.fields?.username;
      setText(problem, nobody ? t("chats.nobody", { username: handleOf(wanted) }) : told(error));
    } finally {
      busy = false;
      render();
    }
  });
  return { node, render, focus: () => input.focus() };
}
