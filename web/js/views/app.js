/** The page of someone who is signed in: chats on the left, one conversation beside them. */

import { named } from "../address.js";
import { announce, h } from "../dom.js";
import { onScreenKeys } from "../focus.js";
import { handleOf } from "../format.js";
import { icon } from "../icons.js";
import { onLanguage } from "../language.js";
import { isLookedAt, Notifier } from "../notifications.js";
import { list, t } from "../texts.js";
import { nameView } from "../title.js";
import { showUnread } from "../unread.js";
import { avatar, showAvatar } from "./avatar.js";
import { chatList } from "./chat-list.js";
import { conversation } from "./conversation.js";
import { finder } from "./finder.js";
import { drawAgain } from "./language.js";
import { forgetLayers, goBack, step } from "./layers.js";
import { notificationOffer } from "./notifications.js";
import { phonePanel } from "./phone.js";
import { settings } from "./settings.js";
import { signInNotice } from "./sign-in-notice.js";
import { statusLine } from "./status.js";
import { storageNotice } from "./storage-notice.js";
import { verificationLine } from "./verification.js";

const CLOCK_EVERY = 20_000;

/** Shows the page in `root`; answers the way to take it away. `leave(reason)` ends the session. */
export function showApp(root, options) {
  let hide = draw(root, options);
  const stop = onLanguage(() => {
    drawAgain(() => {
      const place = hide();
      hide = draw(root, options, place);
    });
  });
  return () => {
    stop();
    hide();
    history.replaceState(null, "", location.pathname + location.search);
  };
}

/** Answers the way to take it away, which answers the `place` to go on at. */
function draw(root, { config, messenger, leave }, place = null) {
  const { store, session, api } = messenger;
  const gone = new AbortController();
  const on = (target, type, listener) => target.addEventListener(type, listener, { signal: gone.signal });

  // "Back" leads from any chat to the list, not to the chat that was open before.
  const open = (chatId) => preferences.close() && step(() => {
    const address = `#chat=${chatId}`;
    if (openChatId()) history.replaceState(history.state, "", address);
    else history.pushState({ ...history.state, fromList: true }, "", address);
    follow();
  });
  const preferences = settings({ messenger, leave });
  const chats = chatList({ messenger, onOpen: open });
  const find = finder({ messenger, onFilter: (text) => chats.filter(text), onOpen: open, onDown: () => chats.focus() });
  const talk = conversation({ messenger, onClose: () => close() });
  const status = statusLine({ messenger });
  const verification = verificationLine({ messenger });
  const notKept = storageNotice();
  const newSignIn = signInNotice({ onLook: () => preferences.open("devices") });
  const offer = notificationOffer();
  const notifier = new Notifier({ messenger, open });
  const phone = config.local ? phonePanel({ messenger, onOpen: open }) : null;
  const face = avatar("small");
  const name = h("strong", { dir: "auto" });
  const handle = h("span", { class: "handle", dir: "ltr" });

  const close = () => step(() => {
    if (history.state?.fromList) goBack();
    else {
      history.replaceState(null, "", location.pathname + location.search);
      follow();
    }
  });
  const signOut = async () => {
    if (!mayLose(messenger)) return;
    app.inert = true; // Nothing is begun any more.
    messenger.stop();
    messenger.outbox.clear();
    messenger.drafts.clear();
    const reason = t("signOut.done");
    session.end(reason); // First, or other tabs hear from the server that some device signed them out.
    // Signing out must work here even if the server cannot be reached.
    await api.post("/v1/auth/logout").catch(() => null);
    leave(reason);
  };

  const app = h(
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
      h(
        "div",
        { class: "bar" },
        h("button", { type: "button", class: "me", title: t("chats.settings"), onclick: () => preferences.open() }, face, h("span", { class: "me-names" }, name, handle)),
        phone ? toolButton("phone", t("chats.phone"), () => phone.toggle(), { "aria-pressed": "false" }, phone) : null,
        toolButton("settings", t("chats.settings"), () => preferences.open()),
        toolButton("leave", t("chats.signOut"), signOut),
      ),
      notKept.node,
      newSignIn.node,
      verification.node,
      offer.node,
      find.node,
      chats.node,
      status.node,
    ), talk.node),
    phone?.node ?? null,
  );

  function skip(event) {
    event.preventDefault();
    talk.focus();
  }

  function followAddress() {
    follow();
    preferences.follow();
  }

  function follow() {
    const before = talk.chatId;
    const chat = store.chats.get(openChatId());
    app.dataset.pane = chat ? "chat" : "list";
    chats.select(chat?.id ?? null);
    talk.show(chat ?? null);
    render();
    if (before && !chat) chats.focus(before);
  }

  function render() {
    const { user } = session;
    showAvatar(face, user.id, user.display_name);
    name.textContent = user.display_name;
    handle.textContent = handleOf(user.username);
    showUnread(store.unread);
    nameView(store.people.has(talk.partnerId) ? store.nameOf(talk.partnerId) : "");
    notifier.update();
    chats.render();
    find.render();
    talk.render();
    status.render();
    verification.render();
  }

  messenger.onSignedIn = (session) => newSignIn.show(session);
  messenger.onProblem = (text) => verification.say(text);
  messenger.onMessage = (chat, message) => {
    announce(t("chats.announced", { name: store.titleOf(chat), text: message.content?.text ?? t("chats.aMessage") }));
    notifier.take(chat, message);
    if (!isLookedAt()) offer.consider();
  };
  messenger.onSend = () => offer.consider();
  // The address may name a chat that only the first load brings.
  const unsubscribe = store.subscribe(() => (talk.chatId === openChatId() ? render() : follow()));
  on(window, "hashchange", followAddress);
  on(window, "popstate", followAddress);
  on(window, "keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    if (talk.chatId) close();
  });
  on(window, "beforeunload", (event) => (messenger.outbox.isLostWithPage || preferences.isUnsaved()) && event.preventDefault());
  const clock = setInterval(() => store.changed(), CLOCK_EVERY); // Times such as "2 min ago" move on.
  talk.listen(on);
  phone?.listen(on);
  const hasSignedIn = Boolean(root.querySelector(".sign-in"));
  root.replaceChildren(app);
  followAddress();
  talk.goOn(place);
  if (hasSignedIn) (onScreenKeys.matches ? app.querySelector("h1") : find).focus();

  return () => {
    const { place } = talk;
    gone.abort();
    preferences.drop();
    forgetLayers();
    unsubscribe();
    clearInterval(clock);
    notKept.stop();
    status.stop();
    notifier.stop();
    showUnread(0);
    phone?.stop();
    talk.show(null);
    document.querySelectorAll("dialog").forEach((dialog) => dialog.remove());
    return place;
  };
}

/** Signing out removes what was not sent from this browser; so the user is asked once more. */
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
