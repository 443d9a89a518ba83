/**
 * Who is in a room, and who is writing there; no DOM and no network in here.
 */

export class People {
  #users = new Set();
  #guests = new Set();
  /** The newest `at` that is known of each person: joined and left may overtake each other. */
  #moved = new Map();
  #count = null;
  /** The moves since the question that is under way: the answer may be older than they are. */
  #meanwhile = [];

  /** Null before the first answer. */
  get count() {
    return this.#count;
  }

  get users() {
    return [...this.#users].sort();
  }

  /** Of a large room only the count is told. */
  get large() {
    return this.#count > 0 && this.#users.size === 0;
  }

  isGuest(user) {
    return this.#guests.has(user);
  }

  asked() {
    this.#meanwhile = [];
  }

  /** Takes the answer to `presence`. */
  answered({ users = [], guests = [], count = users.length }) {
    this.#users = new Set(users);
    this.#guests = new Set(guests);
    this.#count = count;
    if (!this.large) for (const move of this.#meanwhile.splice(0)) this.#apply(move);
  }

  /** Takes a push of type "presence". */
  moved({ user, guest = false, status, at }) {
    if (this.large || at < this.#moved.get(user)) return;
    this.#moved.set(user, at);
    this.#meanwhile.push({ user, guest, status });
    if (this.#count !== null) this.#apply({ user, guest, status });
  }

  #apply({ user, guest, status }) {
    if (guest) this.#guests.add(user);
    else this.#guests.delete(user);
    if (status === "joined") this.#users.add(user);
    else this.#users.delete(user);
    this.#count = this.#users.size;
  }
}

const TYPING_MS = 5_000;

export class Typing {
  #until = new Map();
  #guests = new Set();

  came(user, now, guest = false) {
    this.#until.set(user, now + TYPING_MS);
    if (guest) this.#guests.add(user);
    else this.#guests.delete(user);
  }

  isGuest(user) {
    return this.#guests.has(user);
  }

  /** Whoever has said something has finished writing it. */
  ended(user) {
    this.#until.delete(user);
  }

  users(now) {
    for (const [user, until] of this.#until) if (until <= now) this.#until.delete(user);
    return [...this.#until.keys()];
  }
}
