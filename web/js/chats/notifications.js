/** Notifications of the browser, while Parley is open but not looked at. One tab of a user shows them.
 *
 * A closed Parley shows none: the backend pushes to phones by FCM, and to no browser.
 */

import { browser } from "../browser/storage.js";
import { hold, isHeld } from "../browser/tabs.js";
import { t } from "../text/texts.js";

const KEY = "parley.notifications";

/** "missing" where there are none, "denied" by the browser's user, "on", or "off". */
export function notificationState() {
  if (!window.isSecureContext || !window.Notification || !navigator.locks) return "missing";
  if (Notification.permission === "denied") return "denied";
  return Notification.permission === "granted" && browser.read(KEY) === "on" ? "on" : "off";
}

/** Whether the user has decided, so that the page does not ask again. */
export function notificationsAreDecided() {
  return browser.read(KEY) !== null;
}

/** Asks for the permission, if need be. Call it when somebody clicks; answers the state after it. */
export async function turnOnNotifications() {
  const answer = await Notification.requestPermission();
  if (answer === "granted") browser.write(KEY, "on");
  return notificationState();
}

export function turnOffNotifications() {
  browser.write(KEY, "off");
}

/** Whether the user looks at this page. */
export function isLookedAt() {
  return document.visibilityState === "visible" && document.hasFocus();
}

/** Shows what arrives for one user, and takes it away once it is read. */
export class Notifier {
  #messenger;
  #open;
  #shown = new Map();
  #leads = false;
  #here = null;
  #before = null;
  #isBack = true;
  #gone = new AbortController();
  #endLead;
  #hereName;

  /** `open(chatId)` shows a chat. */
  constructor({ messenger, open }) {
    this.#messenger = messenger;
    this.#open = open;
    const { me } = messenger.store;
    this.#hereName = `parley.here.${me}`;
    this.#endLead = hold(`parley.notifier.${me}`, { onHeld: () => (this.#leads = true) });
    const { signal } = this.#gone;
    for (const type of ["focus", "blur"]) window.addEventListener(type, () => this.#look(), { signal });
    document.addEventListener("visibilitychange", () => this.#look(), { signal });
    const clicked = ({ data }) => data?.chatId && open(data.chatId);
    navigator.serviceWorker?.addEventListener("message", clicked, { signal });
    this.#look();
  }

  /** A message has arrived by itself, not with others after a pause. */
  async take(chat, message) {
    const { status, store, session } = this.#messenger;
    if (status !== "online") return;
    const shows = session.user.push_previews;
    const title = shows ? store.titleOf(chat) : "Parley";
    const body = shows ? store.signed(chat, message) : t("notify.newMessage");
    await this.#show(chat.id, { title, body, isDue: () => chat.readSeq < message.seq });
  }

  /** Something changed: removes what was read, and sums up in one notification what came during a pause. */
  update() {
    const { status, store, everOnline } = this.#messenger;
    for (const chatId of [...this.#shown.keys()]) {
      const unread = chatId ? store.chats.get(chatId)?.unread : store.unread;
      if (!unread) this.#close(chatId);
    }
    if (status !== "online") {
      this.#isBack = !everOnline;
      return;
    }
    const more = store.unread - (this.#before ?? store.unread);
    if (!this.#isBack && more > 0) {
      const body = t("notify.newMessages", { count: more });
      this.#show("", { title: "Parley", body, isDue: () => store.unread > 0 });
    }
    this.#isBack = true;
    this.#before = store.unread;
  }

  stop() {
    this.#gone.abort();
    this.#endLead();
    this.#here?.();
    for (const chatId of [...this.#shown.keys()]) this.#close(chatId);
  }

  #look() {
    if (isLookedAt()) this.#here ??= hold(this.#hereName, { mode: "shared" });
    else {
      this.#here?.();
      this.#here = null;
    }
  }

  async #show(chatId, { title, body, isDue }) {
    if (!this.#leads || notificationState() !== "on") return;
    if ((await isHeld(this.#hereName)) || !isDue() || this.#gone.signal.aborted) return;
    // The one before of the same chat is replaced, and is not seen beside it.
    const options = { body, tag: `parley.${chatId}`, renotify: true, data: { chatId } };
    try {
      const notification = new Notification(title, options);
      notification.addEventListener("click", () => {
        window.focus();
        if (chatId) this.#open(chatId);
        this.#close(chatId);
      });
      this.#shown.set(chatId, () => notification.close());
    } catch {
      this.#showByWorker(chatId, title, options);
    }
  }

  /** On Android pages may not show any, but their worker may. */
  async #showByWorker(chatId, title, options) {
    const registration = await navigator.serviceWorker?.getRegistration();
    if (!registration) return;
    this.#shown.set(chatId, async () => {
      for (const one of await registration.getNotifications({ tag: options.tag })) one.close();
    });
    await registration.showNotification(title, options);
  }

  #close(chatId) {
    this.#shown.get(chatId)?.();
    this.#shown.delete(chatId);
  }
}
