/** One chat: its messages in the order of `seq`, and up to which `rev` we know everything. */

export class Chat {
  /** Complete up to this rev; what lies beyond a gap waits in #ahead. */
  rev;
  /** Complete down to this seq; 0 when there is nothing earlier. */
  floor;
  messages = [];
  /** Whether both have written: until then, nobody sees what the other does. */
  answered = false;
  /** The title of a group; null for a direct chat, which has a partner instead. */
  title = null;
  memberCount = 0;
  /** Our own receipts. */
  own = { read_seq: 0, delivered_seq: 0 };
  /** The ids of those who wrote the messages that we have. */
  senders = new Set();
  /** Whether a page of history is on its way. */
  #loading = false;
  #meanwhile = [];
  #stateRev = -1;
  #ahead = new Set();
  #counted = { unread: 0, upTo: 0 };

  constructor(snapshot, me) {
    this.id = snapshot.id;
    this.me = me;
    this.createdAt = snapshot.created_at;
    /** The other member of a direct chat, with their receipts; null for a group. */
    this.partner = snapshot.partner && { user_id: snapshot.partner.user_id, read_seq: 0, delivered_seq: 0 };
    this.#start(snapshot.last_message);
    this.apply(snapshot);
  }

  // last_rev and the rev of the last message may already count a message that is still on its way to
  // us, so only the seq of the last message says how far we are; the next sync brings the rest.
  #start(last) {
    this.messages = [];
    this.rev = this.floor = last?.seq ?? 0;
    this.#ahead.clear();
  }

  apply(snapshot) {
    this.answered ||= snapshot.answered;
    this.#takeState(snapshot.state_rev, snapshot);
    forward(this.own, snapshot.me);
    if (this.partner && snapshot.partner) forward(this.partner, snapshot.partner);
    if (snapshot.last_message) this.merge(snapshot.last_message);
    this.activityAt = later(this.activityAt, snapshot.last_activity_at ?? snapshot.created_at);
    if (snapshot.last_rev >= this.#counted.upTo) {
      this.#counted = { unread: snapshot.unread_count ?? 0, upTo: snapshot.last_rev };
    }
  }

  /** Takes the chat's own state from an event. */
  applyState(state) {
    this.#advance(state.rev);
    this.#takeState(state.rev, state);
  }

  get loading() {
    return this.#loading;
  }

  set loading(loading) {
    this.#loading = loading;
    this.#meanwhile = [];
  }

  failedToLoad(sentence, wait) {
    this.loadError = sentence;
    this.loadFrom = Date.now() + (wait ?? 0);
  }

  /** Lets history be asked for again, unless the server still wants us to wait. */
  forgiveLoading() {
    if (!(this.loadFrom > Date.now())) this.loadError = null;
  }

  /** Forgets all messages before the newest one: too many between are missing. */
  restart(snapshot) {
    const before = this.messages;
    this.#start(snapshot.last_message);
    this.apply(snapshot);
    before.forEach((message) => this.merge(message)); // Some may be newer than the snapshot.
  }

  /** Takes a version of a message. Returns whether the message is new to us. */
  merge(message) {
    this.#uncount(message);
    this.#advance(message.seq); // A version replaces all before it.
    this.#advance(message.rev);
    if (message.seq >= this.floor) return this.#place(message);
    if (this.loading) this.#meanwhile.push(message);
    return false; // History will bring it in its newest version.
  }

  /** Takes a page of history that reaches from the old floor down to the new one. The server may have
   * read it before a version that came in meanwhile was made. */
  prepend(page, floor) {
    for (const message of page) this.#place(message);
    this.floor = Math.min(this.floor, floor);
    for (const message of this.#meanwhile) if (message.seq >= this.floor) this.#place(message);
  }

  /** The server says that nothing up to `rev` is missing. */
  completeTo(rev) {
    this.rev = Math.max(this.rev, rev);
    this.#advance(rev);
  }

  get hasGap() {
    return this.#ahead.size > 0;
  }

  get hasEarlier() {
    return this.floor > 0;
  }

  get partnerId() {
    return this.partner?.user_id ?? null;
  }

  /** The id that the avatar of the chat is made from: the partner's, or the group's own. */
  get faceId() {
    return this.partnerId ?? this.id;
  }

  get last() {
    return this.messages[this.messages.length - 1] ?? null;
  }

  /** Takes our receipt, or our partner's. Those of a group's members are not shown. */
  receipt(userId, cursors) {
    if (userId === this.me) forward(this.own, cursors);
    else if (userId === this.partnerId) forward(this.partner, cursors);
  }

  get readSeq() {
    return this.own.read_seq;
  }

  get deliveredSeq() {
    return this.own.delivered_seq;
  }

  /** The newest message of others below any gap: what a receipt may truthfully say we have. */
  get receivedSeq() {
    return this.messages.findLast((one) => one.sender_id !== this.me && one.seq <= this.rev)?.seq ?? 0;
  }

  get unread() {
    const { unread, upTo } = this.#counted;
    const from = this.readSeq;
    const known = [];
    for (let at = this.messages.length - 1; at >= 0 && this.messages[at].seq > from; at -= 1) {
      const { sender_id, deleted_at } = this.messages[at];
      if (sender_id !== this.me && !deleted_at) known.push(this.messages[at]);
    }
    if (from + 1 >= this.floor) return known.length;
    return unread + known.filter((one) => one.seq > upTo).length;
  }

  /** How far one of our messages got: "sent"; then "delivered" to or "read" by our partner. */
  stateOf(message) {
    if (this.partner?.read_seq >= message.seq) return "read";
    return this.partner?.delivered_seq >= message.seq ? "delivered" : "sent";
  }

  #takeState(rev, { title, member_count }) {
    if (rev <= this.#stateRev) return;
    this.#stateRev = rev;
    this.title = title;
    this.memberCount = member_count;
  }

  // Subtracts a message that the server counted as unread, and that was deleted since.
  #uncount({ seq, rev, sender_id, deleted_at }) {
    const { upTo } = this.#counted;
    const isKnown = rev <= this.rev || this.#ahead.has(rev);
    if (!deleted_at || isKnown || sender_id === this.me || seq <= this.readSeq || seq > upTo || rev <= upTo) return;
    this.#counted.unread = Math.max(0, this.#counted.unread - 1);
  }

  #advance(rev) {
    if (rev > this.rev) this.#ahead.add(rev);
    while (this.#ahead.delete(this.rev + 1)) this.rev += 1;
    for (const one of this.#ahead) if (one <= this.rev) this.#ahead.delete(one);
  }

  #place(message) {
    let at = this.messages.length;
    while (at > 0 && this.messages[at - 1].seq > message.seq) at -= 1;
    const same = this.messages[at - 1];
    if (same?.seq === message.seq) {
      if (message.rev > same.rev) this.messages[at - 1] = message;
      return false;
    }
    this.messages.splice(at, 0, message);
    this.senders.add(message.sender_id);
    this.activityAt = later(this.activityAt, message.created_at);
    return true;
  }
}

// Receipts never go back. What was read has arrived.
function forward(cursors, { read_seq = 0, delivered_seq = 0 }) {
  cursors.read_seq = Math.max(cursors.read_seq, read_seq);
  cursors.delivered_seq = Math.max(cursors.delivered_seq, delivered_seq, cursors.read_seq);
}

// Times have one format, but maybe with and without fractions of a second.
function later(a, b) {
  return !a || new Date(b) > new Date(a) ? b : a;
}
