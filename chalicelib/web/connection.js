/**
 * One logical connection to the chat, kept over as many WebSockets as it takes.
 *
 * API Gateway cuts every WebSocket after two hours and every idle one after ten minutes, so the
 * connection sends heartbeats, hands over to a fresh socket in good time, and reconnects with
 * exponential backoff and full jitter when a socket is lost
 * (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
 */

const OPEN_TIMEOUT_MS = 10_000;
const ANSWER_TIMEOUT_MS = 10_000;
const RETIRE_TIMEOUT_MS = 5_000;
const BACKOFF_BASE_MS = 1_000;
const BACKOFF_CAP_MS = 20_000;
/** A connection that lasted this long was a good one: the next loss starts from a short delay. */
const STABLE_AFTER_MS = 10_000;
/** setTimeout takes a signed 32-bit number; a longer delay would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const REQUEST_ATTEMPTS = 3;
/** What is to wait longer than this is for the caller to say so. */
const PATIENCE_MS = 5_000;
/** A session that ends so soon is not extended any more, but followed by another one. */
const EXTEND_BEFORE_MS = 5_000;
const NORMAL_CLOSURE = 1000;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Full jitter: anything between nothing and the doubled, capped delay. */
export function backoff(attempt) {
  return Math.random() * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** attempt);
}

/** An answer of type "error", or the lack of any answer (codes "disconnected" and "timeout"). */
export class RequestError extends Error {
  constructor({ code, message, retryable = false, retry_after_ms: retryAfterMs }) {
    super(message);
    this.code = code;
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs;
  }
}

/** One WebSocket: matches answers to requests by `id`, passes every other frame on. */
class Link {
  static #lastId = 0;
  #socket;
  #waiting = new Map();
  #handlers;
  #gone = false;
  #giveUp;

  constructor(url, handlers) {
    this.#handlers = handlers;
    this.#socket = new WebSocket(url);
    this.opened = new Promise((resolve, reject) => {
      this.#giveUp = reject; // not every socket that is blocked says that it is closed
      const timer = setTimeout(() => this.close(), OPEN_TIMEOUT_MS);
      this.#socket.addEventListener("open", () => {
        clearTimeout(timer);
        resolve();
      });
      this.#socket.addEventListener("close", () => {
        clearTimeout(timer);
        this.#finish();
      });
    });
    this.opened.catch(() => {}); // a link that is closed before it opens is nobody's surprise
    this.#socket.addEventListener("message", (event) => this.#receive(event.data));
  }

  get gone() {
    return this.#gone;
  }

  request(action, fields = {}) {
    return new Promise((resolve, reject) => {
      if (this.#gone || this.#socket.readyState !== WebSocket.OPEN) {
        reject(disconnected());
        return;
      }
      const id = ++Link.#lastId;
      const timer = setTimeout(() => this.#settle(id)?.reject(timedOut(action)), ANSWER_TIMEOUT_MS);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#socket.send(JSON.stringify({ action, id, ...fields }));
    });
  }

  /** Sends what is never answered; a loss is no matter. */
  tell(action, fields) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ action, ...fields }));
  }

  /** Gives what is under way a moment to be answered, then closes. */
  async retire() {
    const deadline = Date.now() + RETIRE_TIMEOUT_MS;
    while (this.#waiting.size > 0 && Date.now() < deadline) await sleep(50);
    this.close();
  }

  /** Does not wait for the closing handshake: on a dead network it takes a minute. */
  close() {
    this.#socket.close(NORMAL_CLOSURE);
    this.#finish();
  }

  #finish() {
    if (this.#gone) return;
    this.#gone = true;
    this.#giveUp(disconnected());
    for (const id of [...this.#waiting.keys()]) this.#settle(id).reject(disconnected());
    this.#handlers.onClose(this);
  }

  #settle(id) {
    const waiter = this.#waiting.get(id);
    if (waiter) {
      clearTimeout(waiter.timer);
      this.#waiting.delete(id);
    }
    return waiter;
  }

  #receive(text) {
    for (const frame of parse(text)) this.#take(frame);
  }

  #take(frame) {
    if (this.#gone) return;
    if (frame.type === undefined) this.#failTheOnlyOne(frame);
    const waiter = this.#settle(frame.id);
    if (waiter && frame.type === "error") waiter.reject(new RequestError(frame));
    else if (waiter) waiter.resolve(frame);
    else this.#handlers.onFrame(frame);
  }

  /** API Gateway's own error names no request; with one under way it can only be that one. */
  #failTheOnlyOne({ message }) {
    if (this.#waiting.size !== 1) return;
    const [id] = this.#waiting.keys();
    this.#settle(id).reject(new RequestError({ code: "internal", message, retryable: true }));
  }
}

export class Connection {
  #credentials;
  #handlers;
  /** The socket in use; null unless online. */
  #link = null;
  /** Sockets on their way to be used. */
  #candidates = new Set();
  #status = { phase: "offline" };
  #heartbeatMs = 0;
  #unlisten = new AbortController();
  /** Goes up whenever the current attempt is void, so that what it awaits knows better. */
  #generation = 0;
  #handingOver = null;
  #attempt = 0;
  /** The server asked to be left alone for so long. */
  #respite = 0;
  /** @type {WeakMap<Link, Promise<boolean>>} the extensions that are under way */
  #extensions = new WeakMap();
  /** How far the server's clock is ahead of ours, in ms. */
  #skew = 0;
  #timers = new Map();
  /** When to hand over because the server asks for it. */
  #moveAt = Infinity;

  /**
   * @param {object} credentials
   *   address(): resolves to where to connect to, once;
   *   renewIn(): how many ms it is until there should be a newer token;
   *   newerToken(): resolves to one, or to null where there is none to be had.
   * @param {object} handlers
   *   onStatus({phase, retryAt}): phase is offline, connecting, online or waiting;
   *   onWelcome(welcome, request): subscribe again, through `request`; the old socket is closed
   *     only when the promise it returns is settled;
   *   onFrame(frame): every push;
   *   onHeartbeat(): the extra fields of the next ping; onPong(pong);
   *   onRefused(): a socket that never opened, which is all a browser can say of a refusal.
   */
  constructor(credentials, handlers) {
    this.#credentials = credentials;
    this.#handlers = handlers;
    this.#listen();
  }

  get online() {
    return this.#status.phase === "online";
  }

  start() {
    this.#connect();
  }

  stop() {
    this.#drop();
    this.#unlisten.abort();
    this.#setStatus({ phase: "offline" });
  }

  /**
   * The server asks for a hand-over; where it does so of each new socket, that takes longer and
   * longer.
   */
  moveIn(ms) {
    const at = Date.now() + Math.max(ms, this.#attempt && backoff(this.#attempt - 1));
    if (!this.online || at >= this.#moveAt) return;
    this.#moveAt = at;
    this.#after("move", at - Date.now(), () => {
      this.#moveAt = Infinity;
      this.#attempt++;
      this.handOver();
    });
  }

  retryNow() {
    if (this.#status.phase === "waiting") this.#connect();
  }

  tell(action, fields) {
    this.#link?.tell(action, fields);
  }

  /**
   * Retries what the server calls retryable; rejects with RequestError, "disconnected" at once.
   * Without patience, so is "rate_limited".
   */
  request(action, fields, { patient = true } = {}) {
    return this.#ask(() => this.#link, action, fields, patient ? PATIENCE_MS : 0);
  }

  async #ask(link, action, fields, patience = PATIENCE_MS) {
    let extended = false;
    for (let attempt = 1; ; attempt++) {
      const current = link();
      try {
        if (!current) throw disconnected();
        return await current.request(action, fields);
      } catch (error) {
        if (error.code === "unauthorized") {
          if (extended || !(await this.#extendOrClose(current))) throw disconnected();
          extended = true;
          continue;
        }
        if (!error.retryable || attempt === REQUEST_ATTEMPTS) throw error;
        if (error.code === "rate_limited" && error.retryAfterMs > patience) throw error;
        await sleep((error.retryAfterMs ?? 0) + backoff(attempt - 1));
      }
    }
  }

  // The session

  /** Moves its end with a newer token; a new connection is the cure where that cannot be. */
  async #extendOrClose(link) {
    const extended = await this.#extend(link);
    if (!extended) link.close();
    return extended;
  }

  #extend(link) {
    if (!this.#extensions.has(link)) {
      this.#extensions.set(link, this.#refresh(link).finally(() => this.#extensions.delete(link)));
    }
    return this.#extensions.get(link);
  }

  async #refresh(link) {
    try {
      const token = await this.#credentials.newerToken();
      if (token === null) return false;
      const { expires_at: expiresAt } = await link.request("refresh", { token });
      if (link === this.#link) this.#sessionEnds(expiresAt);
      return true;
    } catch {
      return false;
    }
  }

  /** Extends the session in good time; where that fails, the next one begins when this one ends. */
  #sessionEnds(expiresAt) {
    const left = Date.parse(expiresAt) - this.#skew - Date.now();
    this.#after("expiry", left, () => this.handOver());
    if (!(left > EXTEND_BEFORE_MS)) return;
    this.#after("extension", Math.min(left / 2, this.#credentials.renewIn()), async () => {
      const link = this.#link;
      if (!(await this.#extend(link)) && link === this.#link) this.#after("extension", left / 4, () => this.#sessionEnds(expiresAt));
    });
  }

  async #connect() {
    this.#drop();
    this.#setStatus({ phase: "connecting" });
    const generation = this.#generation;
    const fresh = await this.#establish(generation);
    if (generation !== this.#generation) return;
    if (!fresh) {
      this.#wait();
      return;
    }
    this.#adopt(fresh);
    this.#settle(this.#handlers.onWelcome(fresh.welcome, this.#requestOver(fresh.link)));
  }

  /** A welcomed link, or null when the server cannot be reached, refuses or does not answer. */
  async #establish(generation) {
    let link = null;
    let opened = false;
    try {
      const address = await this.#credentials.address();
      if (generation !== this.#generation) throw disconnected();
      this.#respite = 0;
      link = new Link(address, {
        onFrame: this.#handlers.onFrame,
        onClose: (closed) => closed === this.#link && this.#lost(),
      });
      this.#candidates.add(link);
      await link.opened;
      opened = true;
      const welcome = await this.#ask(() => link, "hello", { arrays: true });
      if (generation !== this.#generation) throw disconnected();
      return { link, welcome };
    } catch (error) {
      if (generation === this.#generation) this.#respite = error.retryAfterMs ?? 0;
      link?.close();
      if (link && !opened && generation === this.#generation) this.#handlers.onRefused();
      return null;
    } finally {
      this.#candidates.delete(link);
    }
  }

  #requestOver(link) {
    return (action, fields) => this.#ask(() => link, action, fields);
  }

  #adopt({ link, welcome }) {
    this.#link = link;
    this.#setStatus({ phase: "online" });
    this.#after("stable", STABLE_AFTER_MS, () => (this.#attempt = 0));
    this.#heartbeatMs = welcome.heartbeat_ms;
    this.#skew = Date.parse(welcome.server_time) - Date.now();
    this.#sessionEnds(welcome.expires_at);
    this.#after("heartbeat", this.#heartbeatMs, () => this.#beat());
    // Not all pages at the same moment: a deploy or an outage makes them connect together.
    this.#after("handover", welcome.reconnect_after_ms * (0.85 + 0.1 * Math.random()), () => this.handOver());
  }

  /** Opens the next socket and takes it into use, then closes the present one. */
  async handOver() {
    const generation = this.#generation;
    const old = this.#link;
    if (!old || this.#handingOver === generation) return;
    this.#handingOver = generation;
    const fresh = await this.#establish(generation);
    if (fresh) await this.#settle(this.#handlers.onWelcome(fresh.welcome, this.#requestOver(fresh.link)));
    if (this.#handingOver === generation) this.#handingOver = null;
    if (generation !== this.#generation) {
      fresh?.link.close();
    } else if (fresh && !fresh.link.gone) {
      this.#adopt(fresh);
      old.retire();
    } else {
      this.#after("handover", this.#respite + backoff(++this.#attempt), () => this.handOver());
    }
  }

  /** Rejections are the handler's to report; here they only end the wait. */
  #settle(promise) {
    return Promise.resolve(promise).catch((error) => console.error(error));
  }

  /** An unanswered ping is how a browser learns that the network went away without a word. */
  async #beat() {
    const link = this.#link;
    this.#after("heartbeat", this.#heartbeatMs, () => this.#beat());
    try {
      this.#handlers.onPong(await link.request("ping", this.#handlers.onHeartbeat()));
    } catch (error) {
      if (error.code === "timeout") link.close();
      if (error.code === "unauthorized") this.#extendOrClose(link);
    }
  }

  #lost() {
    this.#drop();
    this.#wait();
  }

  #wait() {
    const delay = this.#respite + backoff(this.#attempt++);
    this.#setStatus({ phase: "waiting", retryAt: Date.now() + delay });
    this.#after("retry", delay, () => this.#connect());
  }

  /** Voids whatever is open or under way. */
  #drop() {
    this.#generation++;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#moveAt = Infinity;
    const links = [this.#link, ...this.#candidates];
    this.#link = null;
    for (const link of links) link?.close();
  }

  #after(name, ms, act) {
    clearTimeout(this.#timers.get(name));
    if (!(ms >= 0)) return; // the server named no such time
    this.#timers.set(name, setTimeout(act, Math.min(ms, LONGEST_TIMER_MS)));
  }

  #setStatus(status) {
    this.#status = status;
    this.#handlers.onStatus(status);
  }

  #listen() {
    const { signal } = this.#unlisten;
    const wake = () => {
      if (this.#status.phase === "waiting") this.#connect();
      else if (this.online) this.#beat(); // a socket often dies while the device sleeps
    };
    window.addEventListener("online", wake, { signal });
    window.addEventListener("pageshow", (event) => event.persisted && wake(), { signal });
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && wake(), { signal });
  }
}

/** The frame, or the frames of an array in their order; what is no object is left out. */
function parse(text) {
  try {
    return [JSON.parse(text)].flat().filter(isObject);
  } catch {
    return [];
  }
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

const disconnected = () => new RequestError({ code: "disconnected", message: "The connection was lost." });

const timedOut = (action) =>
  new RequestError({ code: "timeout", message: `The server did not answer (${action}).`, retryable: true });
