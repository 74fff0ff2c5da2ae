/** The page of a user who is signed in: the chats, and one conversation beside them. */

import { named } from "../browser/address.js";
import { announce, h } from "../browser/dom.js";
import { onScreenKeys } from "../browser/focus.js";
import { nameView } from "../browser/title.js";
import { isLookedAt, Notifier } from "../chats/notifications.js";
import { showUnread } from "../chats/unread.js";
import { icon } from "../icons.js";
import { handleOf } from "../text/format.js";
import { holdLanguage, onLanguage } from "../text/language.js";
import { list, t } from "../text/texts.js";
import { avatar, showAvatar } from "./chats/avatar.js";
import { ChatList } from "./chats/chat-list.js";
import { Finder } from "./chats/finder.js";
import { Conversation } from "./conversation/conversation.js";
import { PhonePanel } from "./local/phone.js";
import { notificationOffer } from "./notices/notifications.js";
import { signInNotice } from "./notices/sign-in-notice.js";
import { statusLine } from "./notices/status.js";
import { storageNotice } from "./notices/storage-notice.js";
import { verificationLine } from "./notices/verification.js";
import { forgetLayers, goBack, step } from "./parts/layers.js";
import { drawAgain } from "./settings/pages/language.js";
import { Settings } from "./settings/settings.js";

const CLOCK_EVERY = 20_000;

/** Shows the page in `root`. Returns a function that takes it away. `leave(reason)` ends the session. */
export function showApp(root, options) {
  let app = new App(root, options);
  const stop = onLanguage(() => {
    drawAgain(() => {
      const place = app.hide();
      app = new App(root, options, place);
    });
  });
  return () => {
    stop();
    app.hide();
    history.replaceState(null, "", location.pathname + location.search);
  };
}

class App {
  #messenger;
  #leave;
  #node;
  #gone = new AbortController();
  #stops = []; // What ends with the page.
  #preferences;
  #chats;
  #find;
  #talk;
  #status;
  #verification;
  #newSignIn;
  #offer = notificationOffer();
  #notifier;
  #phone;
  #me = { face: avatar("small"), name: h("strong", { dir: "auto" }), handle: h("span", { class: "handle", dir: "ltr" }) };

  constructor(root, { config, messenger, leave }, place = null) {
    this.#messenger = messenger;
    this.#leave = leave;
    const onOpen = (chatId) => this.#open(chatId);
    this.#preferences = new Settings({ messenger, leave });
    this.#chats = new ChatList({ messenger, onOpen });
    this.#find = new Finder({ messenger, onFilter: (text) => this.#chats.filter(text), onOpen, onDown: () => this.#chats.focus() });
    this.#talk = new Conversation({ messenger, onClose: () => this.#close() });
    this.#status = statusLine({ messenger });
    this.#verification = verificationLine({ messenger });
    this.#newSignIn = signInNotice({ onLook: () => this.#preferences.open("devices") });
    this.#notifier = new Notifier({ messenger, open: onOpen });
    this.#phone = config.local ? new PhonePanel({ messenger, onOpen }) : null;
    this.#node = this.#page();
    this.#listen();
    const hasSignedIn = Boolean(root.querySelector(".sign-in"));
    root.replaceChildren(this.#node);
    this.#followAddress();
    this.#talk.goOn(place);
    if (hasSignedIn) (onScreenKeys.matches ? this.#node.querySelector("h1") : this.#find).focus();
  }

  /** Takes the page away. Returns the place to go on at. */
  hide() {
    const { place } = this.#talk;
    this.#gone.abort();
    this.#preferences.drop();
    forgetLayers();
    for (const stop of this.#stops) stop();
    showUnread(0);
    this.#talk.show(null);
    document.querySelectorAll("dialog").forEach((dialog) => dialog.remove());
    return place;
  }

  #page() {
    const notKept = storageNotice();
    this.#stops.push(() => notKept.stop());
    const skip = (event) => {
      event.preventDefault();
      this.#talk.focus();
    };
    return h(
      "div",
      { class: "app", "data-pane": "list" },
      h(
        "header",
        { class: "top" },
        h("h1", { class: "visually-hidden", tabindex: -1 }, "Parley"),
        h("a", { class: "skip", href: "#conversation", onclick: skip }, t("page.skip")),
      ),
      h("main", { class: "main" }, h(
        "section",
        { class: "sidebar", "aria-label": t("chats.sidebar") },
        this.#bar(),
        notKept.node,
        this.#newSignIn.node,
        this.#verification.node,
        this.#offer.node,
        this.#find.node,
        this.#chats.node,
        this.#status.node,
      ), this.#talk.node),
      this.#phone?.node ?? null,
    );
  }

  #bar() {
    const { face, name, handle } = this.#me;
    const openSettings = () => this.#preferences.open();
    return h(
      "div",
      { class: "bar" },
      h("button", { type: "button", class: "me", title: t("chats.settings"), onclick: openSettings }, face, h("span", { class: "me-names" }, name, handle)),
      this.#phone ? toolButton("phone", t("chats.phone"), () => this.#phone.toggle(), { "aria-pressed": "false" }, this.#phone) : null,
      toolButton("settings", t("chats.settings"), openSettings),
      toolButton("leave", t("chats.signOut"), () => this.#signOut()),
    );
  }

  #listen() {
    const messenger = this.#messenger;
    const on = (target, type, listener) => target.addEventListener(type, listener, { signal: this.#gone.signal });
    messenger.onSignedIn = (session) => this.#newSignIn.show(session);
    messenger.onProblem = (text) => this.#verification.say(text);
    messenger.onMessage = (chat, message) => this.#take(chat, message);
    messenger.onSend = () => this.#offer.consider();
    on(window, "hashchange", () => this.#followAddress());
    on(window, "popstate", () => this.#followAddress());
    on(window, "keydown", (event) => this.#key(event));
    on(window, "beforeunload", (event) => (messenger.outbox.isLostWithPage || this.#preferences.isUnsaved()) && event.preventDefault());
    this.#talk.listen(on);
    this.#phone?.listen(on);
    const clock = setInterval(() => messenger.store.changed(), CLOCK_EVERY); // Times such as "2 min ago" move on.
    this.#stops.push(
      // The address may name a chat that only the first load brings.
      messenger.store.subscribe(() => (this.#talk.chatId === openChatId() ? this.#render() : this.#follow())),
      holdLanguage(() => this.#preferences.isUnsaved()),
      () => clearInterval(clock),
      () => this.#status.stop(),
      () => this.#notifier.stop(),
      () => this.#phone?.stop(),
    );
  }

  // "Back" leads from any chat to the list, not to the chat that was open before.
  #open(chatId) {
    return this.#preferences.close() && step(() => {
      const address = `#chat=${chatId}`;
      if (openChatId()) history.replaceState(history.state, "", address);
      else history.pushState({ ...history.state, fromList: true }, "", address);
      this.#follow();
    });
  }

  #close() {
    step(() => {
      if (history.state?.fromList) goBack();
      else {
        history.replaceState(null, "", location.pathname + location.search);
        this.#follow();
      }
    });
  }

  async #signOut() {
    const messenger = this.#messenger;
    if (!mayLose(messenger)) return;
    this.#node.inert = true; // The user can begin nothing more.
    messenger.stop();
    messenger.outbox.clear();
    messenger.drafts.clear();
    const reason = t("signOut.done");
    messenger.session.end(reason); // First, or other tabs hear from the server that some device signed them out.
    // Signing out must work here even if the server cannot be reached.
    await messenger.api.post("/v1/auth/logout").catch(() => null);
    this.#leave(reason);
  }

  #followAddress() {
    this.#follow();
    this.#preferences.follow();
  }

  #follow() {
    const before = this.#talk.chatId;
    const chat = this.#messenger.store.chats.get(openChatId()) ?? null;
    this.#node.dataset.pane = chat ? "chat" : "list";
    this.#chats.select(chat?.id ?? null);
    this.#talk.show(chat);
    this.#render();
    if (before && !chat) this.#chats.focus(before);
  }

  #render() {
    const { session, store } = this.#messenger;
    const { face, name, handle } = this.#me;
    showAvatar(face, session.user.id, session.user.display_name);
    name.textContent = session.user.display_name;
    handle.textContent = handleOf(session.user.username);
    showUnread(store.unread);
    nameView(this.#talk.name);
    this.#notifier.update();
    for (const part of [this.#chats, this.#find, this.#talk, this.#status, this.#verification]) part.render();
  }

  #take(chat, message) {
    const { store } = this.#messenger;
    announce(t("chats.announced", { name: store.titleOf(chat), text: store.signed(chat, message) }));
    this.#notifier.take(chat, message);
    if (!isLookedAt()) this.#offer.consider();
  }

  #key(event) {
    if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    if (this.#talk.chatId) this.#close();
  }
}

/** Signing out removes unsent messages and drafts from this browser, so it asks first. */
function mayLose({ outbox, drafts }) {
  const lost = [];
  if (outbox.count) lost.push(t("signOut.unsent", { count: outbox.count }));
  if (drafts.count) lost.push(t("signOut.drafts", { count: drafts.count }));
  return !lost.length || confirm(t("signOut.confirm", { lost: list(lost) }));
}

function openChatId() {
  return named("chat");
}

function toolButton(name, label, onclick, attributes = {}, toggles = null) {
  const button = h("button", { type: "button", class: "tool", title: label, "aria-label": label, onclick, ...attributes }, icon(name));
  if (toggles) toggles.onToggle = (shown) => button.setAttribute("aria-pressed", String(shown));
  return button;
}
