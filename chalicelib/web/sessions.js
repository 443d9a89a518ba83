/**
 * Who the person is to the server, and what proves it at every connection; no DOM in here.
 *
 * Guests prove it by a key that they keep; accounts by a token, which is traded for a ticket each
 * time. Passwords are passed on and never kept.
 */

import { isUser } from "./names.js";
import { server } from "./server.js";
import { store } from "./store.js";

const KEY = /^[A-Za-z0-9_-]{16,64}$/;
/** How long another tab may take to keep the token that has replaced ours. */
const REPLACED_WITHIN_MS = 1_000;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The session that this browser remembers, or null. */
export function remembered({ guests, websocket_url: url }) {
  if (kept()) return new Account(url);
  const name = store.get("name");
  return guests && store.get("entered") && isUser(name) ? new Guest(url, name) : null;
}

/** Somebody without an account: the key keeps the name theirs, in every tab of this browser. */
export class Guest {
  guest = true;
  #url;

  constructor(url, name) {
    this.#url = url;
    this.user = name;
    store.set("name", name);
    store.set("entered", "yes");
  }

  async address() {
    const url = new URL(this.#url);
    url.searchParams.set("name", this.user);
    url.searchParams.set("key", key());
    return url;
  }

  /** Whatever the name became, it stays for this visit. */
  welcomed(user) {
    this.user = user;
  }

  renewIn() {
    return Infinity;
  }

  async newerToken() {
    return null;
  }

  /** The name is asked for again. */
  forget() {
    store.remove("entered");
  }
}

/** Somebody with a token of the server's, or of the issuer that it believes. */
export class Account {
  guest = false;
  #url;
  /** A change of the password that is under way: the token is about to be another one. */
  #changing = Promise.resolve();
  #renewing = null;
  /** The token that the server was shown last. */
  #used = null;

  constructor(url) {
    this.#url = url;
  }

  /** Takes the answer to a log-in. */
  static admitted(url, answer) {
    keep(answer);
    return new Account(url);
  }

  /** Takes a token of another issuer; rejects with a Refusal when it is not good. */
  static async vouched(url, token) {
    await server.ticket(token);
    keep({ user: "", token });
    return new Account(url);
  }

  /** Empty before the first welcome, where the token was another issuer's. */
  get user() {
    return kept()?.user ?? "";
  }

  welcomed(user) {
    const record = kept();
    if (record && record.user !== user) write({ ...record, user });
  }

  /** Where to connect to, once. Rejects with a Refusal; status 401: log in again. */
  async address() {
    const { ticket, url } = await this.#withToken((token) => server.ticket(token));
    if (url) return new URL(url);
    const address = new URL(this.#url);
    address.searchParams.set("ticket", ticket);
    return address;
  }

  /** How many ms it is until half of the token's life is over; Infinity for another issuer's. */
  renewIn() {
    const record = kept();
    return record && record.renewAt === null ? Infinity : Math.max(0, (record?.renewAt ?? 0) - Date.now());
  }

  /** The newest token that can be had, or null. Rejects with a Refusal. */
  async newerToken() {
    const token = kept()?.token;
    if (token && token !== this.#used) return (this.#used = token); // another tab has got it
    return (this.#renewing ??= this.#renew().finally(() => (this.#renewing = null)));
  }

  async #renew() {
    try {
      const answer = await this.#withToken((token) => server.renew(token));
      keep(answer);
      return (this.#used = answer.token);
    } catch (error) {
      if (error.status === 403) return null; // another issuer's
      throw error;
    }
  }

  /** Logs out all other devices, and stays. */
  async changePassword(password, newPassword) {
    const change = server.changePassword(kept()?.token, password, newPassword).then(keep);
    this.#changing = change.catch(() => {});
    await change;
  }

  /** Logs out everywhere. */
  async logout() {
    const token = kept()?.token;
    await server.logout(token).catch((error) => {
      if (error.status !== 401) throw error; // it is worth nothing already
    });
    this.forget();
  }

  forget() {
    store.remove("account");
  }

  /** Another tab may have got a new token meanwhile, or be about to. */
  async #withToken(act) {
    await this.#changing;
    const token = kept()?.token;
    this.#used = token;
    try {
      return await act(token);
    } catch (error) {
      if (error.status !== 401) throw error;
      if (kept()?.token === token) await sleep(REPLACED_WITHIN_MS);
      const other = kept()?.token;
      if (!other || other === token) throw error;
      this.#used = other;
      return act(other);
    }
  }
}

function keep({ user, token, expires_in: seconds }) {
  write({ user, token, renewAt: seconds ? Date.now() + (seconds * 1000) / 2 : null });
}

function write(record) {
  store.set("account", JSON.stringify(record));
  store.set("user", record.user);
}

/** What is kept of an account, or null. */
function kept() {
  try {
    const record = JSON.parse(store.get("account"));
    return typeof record?.token === "string" ? record : null;
  } catch {
    return null;
  }
}

function key() {
  if (!KEY.test(store.get("key") ?? "")) {
    store.set("key", [...crypto.getRandomValues(new Uint8Array(24))].map((byte) => byte.toString(16).padStart(2, "0")).join(""));
  }
  return store.get("key");
}
