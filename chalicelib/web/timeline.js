/**
 * What the page knows of one room's log, folded to messages in their present state.
 *
 * Takes entries in any order and any number of times; no DOM, no network, no clock. The clauses
 * named here (H2, C2, ...) are those of docs/protocol.md.
 */

/** Changes of messages that are not loaded: needed only while a page is on its way. */
const ORPHANS = 200;
/** Of a room that has not been opened, whose log has no beginning here. */
const EARLY_UNOPENED = 300;

/** @typedef {{seq: number, user: string, message: string, at: string, cid?: string, edited?: string,
 *   deleted: boolean, reactions: Map<string, string[]>, changed: number}} Message */

const CHANGES = {
  edit(target, { message, at }) {
    target.message = message;
    target.edited = at;
  },
  delete(target) {
    target.message = "";
    target.deleted = true;
  },
  reaction(target, { emoji, user, removed }) {
    const others = (target.reactions.get(emoji) ?? []).filter((name) => name !== user);
    const users = removed ? others : (target.reactions.get(emoji)?.includes(user) ? target.reactions.get(emoji) : [...others, user]);
    if (users.length) target.reactions.set(emoji, users);
    else target.reactions.delete(emoji);
  },
};

export class Timeline {
  /** Everything after `base` and up to `last` is here; null before the first page. */
  #base = null;
  #last = 0;
  /** The highest seq that is known to exist. */
  #known = 0;
  #older = false;
  /** @type {Message[]} by seq */
  #messages = [];
  /** @type {Map<number, Message>} */
  #bySeq = new Map();
  /** Entries beyond a hole. */
  #early = new Map();
  #orphans = [];

  get opened() {
    return this.#base !== null;
  }

  get base() {
    return this.#base;
  }

  get last() {
    return this.#last;
  }

  get known() {
    return this.#known;
  }

  /** Whether there are entries before the first one here. */
  get older() {
    return this.#older;
  }

  /** The first range of seqs that is missing, or null. */
  get hole() {
    if (!this.opened || this.#known <= this.#last) return null;
    const next = this.#early.size ? Math.min(...this.#early.keys()) : this.#known + 1;
    return { from: this.#last + 1, to: next - 1 };
  }

  /** All that can be shown: what is complete, then the messages beyond a hole. */
  get messages() {
    const early = [...this.#early.values()].filter(({ type }) => type === "message");
    return this.opened ? [...this.#messages, ...early.map(stateOf).sort((one, other) => one.seq - other.seq)] : [];
  }

  /** Starts (over) with the newest page; `seq` is the last of the log where the answer tells it (C2). */
  open(events, { seq, older }) {
    const end = Math.max(seq ?? 0, events.at(-1)?.seq ?? 0);
    if (this.#last > end) this.#forgetTheFuture();
    this.#messages = [];
    this.#bySeq = new Map();
    this.#orphans = [];
    this.#base = events.length ? events[0].seq - 1 : end;
    this.#last = this.#base;
    this.#older = older && this.#base > 0;
    this.exists(end);
    for (const event of events) this.receive(event);
    this.#drain();
  }

  exists(seq) {
    this.#known = Math.max(this.#known, seq);
  }

  has(seq) {
    return this.#early.has(seq) || (this.opened && seq <= this.#last);
  }

  /** Takes an entry as pushed, or as read from the log; true when it is news. */
  receive(event) {
    if (!Number.isSafeInteger(event.seq) || event.seq < 1) return false;
    this.exists(event.seq);
    if (this.opened && event.seq <= this.#last) return false;
    const news = !this.#early.has(event.seq);
    this.#early.set(event.seq, event);
    this.#drain();
    return news;
  }

  /** Takes the page before the first entry here. */
  prepend(events, more) {
    const page = events.filter(({ seq }) => seq <= this.#base);
    this.#older = more && page.length > 0;
    if (page.length === 0) return;
    this.#base = page[0].seq - 1;
    const messages = page.filter(({ type }) => type === "message").map(stateOf);
    this.#messages.unshift(...messages);
    for (const message of messages) this.#bySeq.set(message.seq, message);
    const changes = [...page.filter(({ type }) => type !== "message"), ...this.#orphans];
    this.#orphans = [];
    for (const change of changes.sort((one, other) => one.seq - other.seq)) this.#change(change);
  }

  /** Forgets the oldest messages but `keep`; they can be read again. */
  trim(keep) {
    if (this.#messages.length <= keep) return;
    for (const { seq } of this.#messages.splice(0, this.#messages.length - keep)) this.#bySeq.delete(seq);
    this.#base = this.#messages[0].seq - 1;
    this.#older = true;
  }

  find(seq) {
    return this.#bySeq.get(seq);
  }

  /** How many messages of others came after `seq`, or null where that cannot be said. */
  countAfter(seq, me) {
    if (!this.opened || seq < this.#base) return null;
    return this.messages.filter((message) => message.seq > seq && message.user !== me).length;
  }

  /** How many of the last `count` messages up to the entry `seq` others wrote; all, where it is not known. */
  othersAmong(count, seq, me) {
    if (!this.opened || this.#last !== seq || this.#messages.length < count) return count;
    return this.#messages.slice(this.#messages.length - count).filter(({ user }) => user !== me).length;
  }

  #drain() {
    if (!this.opened) {
      while (this.#early.size > EARLY_UNOPENED) this.#early.delete(Math.min(...this.#early.keys()));
      return;
    }
    for (const seq of [...this.#early.keys()]) if (seq <= this.#last) this.#early.delete(seq);
    for (let event; (event = this.#early.get(this.#last + 1)); ) {
      this.#early.delete(++this.#last);
      this.#apply(event);
    }
  }

  #apply(event) {
    if (event.type !== "message") {
      this.#change(event);
      return;
    }
    const message = stateOf(event);
    this.#messages.push(message);
    this.#bySeq.set(message.seq, message);
  }

  /** Skips what the target's state includes already (H2). */
  #change(event) {
    const target = this.#bySeq.get(event.target);
    if (!target) {
      this.#orphans.push(event);
      if (this.#orphans.length > ORPHANS) this.#orphans.shift();
    } else if (event.seq > target.changed && Object.hasOwn(CHANGES, event.type)) {
      CHANGES[event.type](target, event);
      target.changed = event.seq;
    }
  }

  /** The server's log is shorter than ours: what we had beyond its end belongs to another one. */
  #forgetTheFuture() {
    this.#early.clear();
    this.#known = 0;
  }
}

/** @returns {Message} */
function stateOf({ seq, user, guest = false, message, at, cid, edited, deleted = false, reactions = {}, changed = 0 }) {
  return { seq, user, guest, message, at, cid, edited, deleted, changed, reactions: new Map(Object.entries(reactions)) };
}
