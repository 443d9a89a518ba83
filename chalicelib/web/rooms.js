/**
 * What the page knows of each room's log: ordered by seq, without duplicates, honest about holes.
 *
 * No DOM and no network in here.
 */

const KEEP = 500;

/** @typedef {{cid?: string, seq?: number, user: string, message: string, at: string, own: boolean,
 *   state: "sent"|"sending"|"failed", reason?: string, tried?: string, losses?: number}} Entry
 * `tried` is the name under which an own message was last sent: the server tells resends by user and cid. */

export class Room {
  unread = 0;
  /** The answer to the last `presence`, or null. */
  presence = null;
  /** Several lives of one log: a server that lost its data counts from 1 again. */
  #past = [];
  /** @type {Entry[]} acknowledged or received, by seq */
  #entries = [];
  /** @type {Entry[]} own messages without a seq yet, in the order they were written */
  #outbox = [];
  /** Everything up to here was said before the page joined, or is no longer kept. */
  #baseline = null;
  /** The highest seq that is known to exist. */
  #tail = 0;
  /** Holes up to here are there to stay; above, a push may just be late. */
  #settled = 0;
  #fromTheBeginning = false;
  #trimmed = false;

  constructor(name) {
    this.name = name;
  }

  get tail() {
    return this.#tail;
  }

  get trimmed() {
    return this.#trimmed;
  }

  get fromTheBeginning() {
    return this.#fromTheBeginning;
  }

  /** `asked` is the tail when the question was sent: an answer below it is from another log. */
  joined(seq, asked) {
    if (seq < asked) this.#startOver(seq);
    if (this.#baseline === null) {
      this.#baseline = Math.min(seq, ...this.#entries.map((entry) => entry.seq - 1));
      this.#fromTheBeginning = this.#baseline === 0;
    }
    this.exists(seq);
  }

  exists(seq) {
    this.#tail = Math.max(this.#tail, seq);
  }

  /** True when it is news, false for a duplicate. Recognises our own message by its cid. */
  receive({ seq, user, message, at, cid }, me) {
    this.exists(seq);
    const mine = this.#outbox.find((entry) => entry.cid === cid && (user === me || user === entry.tried));
    if (mine) {
      this.acknowledge(mine, { seq, at, user });
      return false;
    }
    if (this.#entries.some((entry) => entry.seq === seq)) return false;
    this.#insert({ seq, user, message, at, cid, own: user === me, state: "sent" });
    return true;
  }

  write({ message, cid, user, at }) {
    const entry = { message, cid, user, at, own: true, state: "sending" };
    this.#outbox.push(entry);
    return entry;
  }

  acknowledge(entry, { seq, at, user = entry.user }) {
    if (!this.discard(entry)) return;
    this.exists(seq);
    const known = this.#entries.find((other) => other.seq === seq);
    if (known) known.own = true;
    else this.#insert(Object.assign(entry, { seq, at, user, state: "sent" }));
  }

  discard(entry) {
    const index = this.#outbox.indexOf(entry);
    if (index >= 0) this.#outbox.splice(index, 1);
    return index >= 0;
  }

  get outbox() {
    return this.#outbox;
  }

  /** From now on what is missing below `seq` counts as missed; a late push still mends it. */
  settle(seq) {
    this.#settled = Math.max(this.#settled, Math.min(seq, this.#tail));
  }

  get hasHoles() {
    return this.#holes(this.#tail).length > 0;
  }

  /** What to show, in order: entries, {missed, after} and {startedOver}. */
  timeline() {
    return [...this.#past, ...this.#present(), ...this.#outbox];
  }

  #present() {
    const holes = this.#holes(this.#settled);
    const items = [];
    for (const entry of this.#entries) {
      while (holes.length && holes[0].from < entry.seq) items.push(missed(holes.shift()));
      items.push(entry);
    }
    return [...items, ...holes.map(missed)];
  }

  /** The ranges of seqs between baseline and `limit` that the page does not have. */
  #holes(limit) {
    if (this.#baseline === null) return [];
    const holes = [];
    let next = this.#baseline + 1;
    for (const { seq } of this.#entries) {
      if (seq > next && next <= limit) holes.push({ from: next, to: Math.min(seq - 1, limit) });
      next = Math.max(next, seq + 1);
    }
    if (next <= limit) holes.push({ from: next, to: limit });
    return holes;
  }

  #insert(entry) {
    let index = this.#entries.length;
    while (index > 0 && this.#entries[index - 1].seq > entry.seq) index--;
    this.#entries.splice(index, 0, entry);
    if (this.#entries.length <= KEEP) return;
    this.#baseline = Math.max(this.#baseline ?? 0, this.#entries.shift().seq);
    this.#past = [];
    this.#trimmed = true;
  }

  #startOver(seq) {
    this.#past = [...this.#past, ...this.#present(), { startedOver: true, key: `over-${this.#past.length}` }];
    this.#entries = [];
    this.#baseline = seq;
    this.#tail = seq;
    this.#settled = 0;
  }
}

const missed = ({ from, to }) => ({ missed: to - from + 1, key: `missed-${from}` });
