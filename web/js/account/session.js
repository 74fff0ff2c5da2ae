/** Who is signed in: in all tabs of this browser, or in one tab alone.
 *
 * All tabs share one session and its tokens. A refresh token works once, so one tab at a time trades
 * it, and the others take what it got. A session of one tab alone survives a reload of that tab.
 */

import { browser, tab } from "../browser/storage.js";
import { newsOf } from "../browser/tabs.js";

const KEY = "parley.session";
const PROFILE = "parley.profile";
const NEWS = "parley.session";

export class Session {
  #place;
  #news;
  #isOver = false;

  constructor(values, place) {
    const { api, session_id, user, access_token, refresh_token } = values;
    Object.assign(this, { api, session_id, user, access_token, refresh_token });
    this.#place = place;
    this.#news = newsOf(NEWS, (news) => this.#hear(news));
  }

  /** The session on that server that a reload or another tab left, or null. */
  static restore(api) {
    for (const place of [tab, browser]) {
      const values = place.read(KEY);
      if (values?.api !== api || !values.session_id || !values.user?.id) continue;
      const profile = place.read(PROFILE);
      const user = profile?.session_id === values.session_id ? profile.user : values.user;
      return new Session({ ...values, user }, place);
    }
    return null;
  }

  /** `everywhere`: in all tabs, and when the browser is opened again; else in this tab alone. */
  static start(api, { user, session_id, access_token, refresh_token }, everywhere) {
    const place = everywhere ? browser : tab;
    const session = new Session({ api, user, session_id, access_token, refresh_token }, place);
    session.#save();
    // With all of it: what was stored just now may reach the other tabs later.
    if (everywhere) session.#news.tell({ started: session.#values });
    return session;
  }

  /** Takes the tokens that another tab got meanwhile. */
  look() {
    const stored = this.#place.read(KEY);
    if (stored?.session_id === this.session_id) this.#take(stored);
  }

  /** Takes new tokens and gives them to the other tabs. Call it in turn with them. */
  renew({ access_token, refresh_token }) {
    this.#take({ access_token, refresh_token });
    if (this.#isOver) return; // An answer that comes after signing out must not bring the session back.
    this.#save();
    this.#news.tell({ session_id: this.session_id, access_token, refresh_token });
  }

  updateUser(user) {
    this.user = user;
    if (!this.#isOver) this.#place.write(PROFILE, { session_id: this.session_id, user });
  }

  /** Forgets the session here, and in all tabs that share it. */
  end(reason) {
    if (this.#isOver) return;
    this.#news.tell({ session_id: this.session_id, ended: reason });
    this.forget();
  }

  forget() {
    this.close();
    for (const key of [KEY, PROFILE]) {
      if (this.#place.read(key)?.session_id === this.session_id) this.#place.remove(key);
    }
  }

  /** Leaves what is stored to the session that took this one's place. */
  close() {
    this.#isOver = true;
    this.#news.close();
  }

  #hear({ session_id, ended, started, ...tokens }) {
    if (started && this.#place === browser) this.onReplaced?.(new Session(started, browser));
    if (session_id !== this.session_id) return;
    if (ended) this.onEnded?.(ended);
    else this.#take(tokens);
    if (!ended && this.#place === tab) this.#save(); // A duplicated tab has a copy of its own.
  }

  #take({ access_token, refresh_token }) {
    Object.assign(this, { access_token, refresh_token });
  }

  get #values() {
    const { api, user, session_id, access_token, refresh_token } = this;
    return { api, user, session_id, access_token, refresh_token };
  }

  #save() {
    this.#place.write(KEY, this.#values);
  }
}

/** Calls `listener(session)` when another tab signs in for all; answers the way to stop it. */
export function onSignInElsewhere(listener) {
  const news = newsOf(NEWS, ({ started }) => started && listener(new Session(started, browser)));
  return () => news.close();
}
