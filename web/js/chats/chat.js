/** One chat: its messages in the order of `seq`, and up to which `rev` we know everything. */

export class Chat {
  /** Complete up to this rev; what lies beyond a gap waits in #ahead. */
  rev;
  /** Complete down to this seq; 0 when there is nothing earlier. */
  floor;
  messages = [];
  /** Whether both have written: until then, nobody sees what the other does. */
  answered = false;
  #ahead = new Set();
  #counted = { unread: 0, upTo: 0 };

  constructor(snapshot, me) {
    this.id = snapshot.id;
    this.me = me;
    this.createdAt = snapshot.created_at;
    this.members = new Map(snapshot.members.map((member) => [member.user_id, { ...member }]));
    this.#start(snapshot.last_message);
    this.apply(snapshot);
  }

  // last_rev may already count a message that is still on its way to us, so only
  // the last message itself says how far we are; the next sync brings the rest.
  #start(last) {
    this.messages = last ? [last] : [];
    this.rev = last?.rev ?? 0;
    this.floor = last?.seq ?? 0;
    this.#ahead.clear();
  }

  apply(snapshot) {
    this.answered ||= snapshot.answered ?? true;
    for (const member of snapshot.members) this.receipt(member.user_id, member);
    if (snapshot.last_message) this.merge(snapshot.last_message);
    this.activityAt = later(this.activityAt, snapshot.last_activity_at ?? snapshot.created_at);
    if (snapshot.last_rev >= this.#counted.upTo) {
      this.#counted = { unread: snapshot.unread_count ?? 0, upTo: snapshot.last_rev };
    }
  }

  failedToLoad(sentence, wait) {
    this.loadError = sentence;
    this.loadFrom = Date.now() + (wait ?? 0);
  }

  /** Lets history be asked for again, unless the server still wants us to wait. */
  forgiveLoading() {
    if (!(this.loadFrom > Date.now())) this.loadError = null;
  }

  /** Forgets all but the newest message: there are too many between to fetch. */
  restart(snapshot) {
    this.#start(snapshot.last_message);
    this.apply(snapshot);
  }

  /** Takes one message in. Says whether it was new. */
  merge(message) {
    this.#advance(message.rev);
    if (message.seq < this.floor) return false; // History will bring it in its newest version.
    return this.#place(message);
  }

  /** Takes a page of history that reaches from the old floor down to the new one. */
  prepend(page, floor) {
    for (const message of page) this.#place(message);
    this.floor = Math.min(this.floor, floor);
  }

  /** The server says that nothing up to `rev` is missing. */
  completeTo(rev) {
    this.rev = Math.max(this.rev, rev);
    this.#advance(null);
  }

  get hasGap() {
    return this.#ahead.size > 0;
  }

  get hasEarlier() {
    return this.floor > 0;
  }

  get partnerId() {
    return [...this.members.keys()].find((id) => id !== this.me) ?? this.me;
  }

  get last() {
    return this.messages[this.messages.length - 1] ?? null;
  }

  receipt(userId, { read_seq = 0, delivered_seq = 0 }) {
    const member = this.members.get(userId);
    if (!member) return;
    member.read_seq = Math.max(member.read_seq ?? 0, read_seq);
    member.delivered_seq = Math.max(member.delivered_seq ?? 0, delivered_seq, member.read_seq);
  }

  get readSeq() {
    return this.members.get(this.me)?.read_seq ?? 0;
  }

  get deliveredSeq() {
    return this.members.get(this.me)?.delivered_seq ?? 0;
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
      if (this.messages[at].sender_id !== this.me) known.push(this.messages[at]);
    }
    if (from + 1 >= this.floor) return known.length;
    return unread + known.filter((one) => one.seq > upTo).length;
  }

  /** How far one of our messages got: "sent", "delivered" or "read" by all others. */
  stateOf(message) {
    const others = [...this.members.values()].filter((member) => member.user_id !== this.me);
    if (others.every((member) => member.read_seq >= message.seq)) return "read";
    return others.every((member) => member.delivered_seq >= message.seq) ? "delivered" : "sent";
  }

  #advance(rev) {
    if (rev !== null && rev > this.rev) this.#ahead.add(rev);
    while (this.#ahead.delete(this.rev + 1)) this.rev += 1;
    for (const one of this.#ahead) if (one <= this.rev) this.#ahead.delete(one);
  }

  #place(message) {
    let at = this.messages.length;
    while (at > 0 && this.messages[at - 1].seq > message.seq) at -= 1;
    const same = this.messages[at - 1];
    if (same?.seq === message.seq) {
      if (same.rev >= message.rev) return false;
      this.messages[at - 1] = message;
      return true;
    }
    this.messages.splice(at, 0, message);
    this.activityAt = later(this.activityAt, message.created_at);
    return true;
  }
}

// Times have one format, but maybe with and without fractions of a second.
function later(a, b) {
  return !a || new Date(b) > new Date(a) ? b : a;
}
