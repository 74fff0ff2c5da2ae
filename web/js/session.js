/** Who is signed in in this tab.
 *
 * Kept in sessionStorage, not localStorage: it survives a reload, and two tabs can be two people.
 */

const KEY = "parley.session";

export class Session {
  #channel;
  #isOver = false;

  constructor(values) {
    Object.assign(this, values);
    // A duplicated tab starts with a copy of the session. Refresh tokens work once,
    // so each tells the others what it got.
    this.#channel = new BroadcastChannel(`parley.session.${this.session_id}`);
    this.#channel.onmessage = ({ data }) => {
      if (data.ended) this.onEnded?.(data.ended);
      else this.#keep(data);
    };
  }

  /** The session of this tab on that server, or null. */
  static restore(api) {
    try {
      const values = JSON.parse(sessionStorage.getItem(KEY));
      return values && values.api === api ? new Session(values) : null;
    } catch {
      return null;
    }
  }

  static start(api, { user, session_id, access_token, refresh_token }) {
    const session = new Session({ api, user, session_id, access_token, refresh_token });
    session.#save();
    return session;
  }

  renew({ access_token, refresh_token }) {
    this.#keep({ access_token, refresh_token });
    if (this.#isOver) return;
    this.#channel.postMessage({ access_token, refresh_token });
  }

  updateUser(user) {
    this.user = user;
    this.#save();
  }

  /** Forgets the session here, and in tabs that share it. */
  end(reason) {
    if (this.#isOver) return;
    this.#channel.postMessage({ ended: reason });
    this.forget();
  }

  forget() {
    this.#isOver = true;
    this.#channel.close();
    sessionStorage.removeItem(KEY);
  }

  #keep({ access_token, refresh_token }) {
    this.access_token = access_token;
    this.refresh_token = refresh_token;
    this.#save();
  }

  // An answer that comes after signing out must not bring the session back.
  #save() {
    if (this.#isOver) return;
    const { api, user, session_id, access_token, refresh_token } = this;
    sessionStorage.setItem(KEY, JSON.stringify({ api, user, session_id, access_token, refresh_token }));
  }
}
