/** One field that narrows the chat list, and starts a chat with the user of that name. */

import { h, setText } from "../../browser/dom.js";
import { icon } from "../../icons.js";
import { told } from "../../server/errors.js";
import { handleOf } from "../../text/format.js";
import { lengthOf } from "../../text/text.js";
import { t } from "../../text/texts.js";

const MOST = 32;

export class Finder {
  #messenger;
  #on;
  #input = h("input", {
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
  #label = h("span", {});
  #start = h("button", { type: "submit", class: "start-chat", hidden: true }, icon("add"), this.#label);
  #problem = h("p", { id: "find-problem", class: "find-problem", role: "status" });
  #busy = false;
  #heldUntil = 0;

  constructor({ messenger, onFilter, onOpen, onDown }) {
    this.#messenger = messenger;
    this.#on = { filter: onFilter, open: onOpen, down: onDown };
    this.node = h("form", { class: "finder", role: "search" }, h("div", { class: "find-box" }, icon("search"), this.#input), this.#start, this.#problem);
    this.#input.addEventListener("input", () => this.#changed());
    this.#input.addEventListener("keydown", (event) => this.#key(event));
    this.node.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  focus() {
    this.#input.focus();
  }

  render() {
    const username = this.#username;
    this.#start.hidden = !username || lengthOf(username) > MOST || (Boolean(this.#person) && !this.#busy);
    setText(this.#label, t(this.#busy ? "chats.looking" : "chats.start", { username: handleOf(username) }));
  }

  get #username() {
    return this.#input.value.trim().replace(/^@/, "").toLowerCase();
  }

  get #person() {
    return [...this.#messenger.store.people.values()].find((one) => one.username === this.#username);
  }

  #changed() {
    setText(this.#problem, "");
    this.#on.filter(this.#username);
    this.render();
  }

  #clear() {
    this.#input.value = "";
    this.#changed();
  }

  #key(event) {
    if (event.key === "ArrowDown") {
      event.preventDefault();
      this.#on.down();
    } else if (event.key === "Escape" && this.#input.value) {
      event.preventDefault();
      this.#clear();
    }
  }

  async #submit() {
    const wanted = this.#username;
    if (this.#busy || !wanted || Date.now() < this.#heldUntil) return;
    if (lengthOf(wanted) > MOST) {
      setText(this.#problem, t("chats.usernameTooLong", { count: MOST }));
      return;
    }
    this.#busy = true;
    this.render();
    try {
      const chat = this.#knownChat() ?? (await this.#messenger.startChat(wanted));
      this.#clear();
      this.#on.open(chat.id);
    } catch (error) {
      this.#heldUntil = Date.now() + (error.retryAfter ?? 0);
      const nobody = error.status === 404 || error.fields?.username;
      setText(this.#problem, nobody ? t("chats.nobody", { username: handleOf(wanted) }) : told(error));
    } finally {
      this.#busy = false;
      this.render();
    }
  }

  #knownChat() {
    const { store } = this.#messenger;
    const person = this.#person;
    return person && store.sortedChats().find((chat) => chat.partnerId === person.id);
  }
}
