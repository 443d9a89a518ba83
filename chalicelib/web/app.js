/**
 * The page: asks for a name, keeps the connection and the rooms, shows both.
 */

import { Connection } from "./connection.js";
import { Room } from "./rooms.js";
import { View, characters, plural } from "./view.js";

const NAME = /^[a-z0-9][a-z0-9._-]{0,31}$/;
const ROOM = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const DEFAULT_MESSAGE_LIMIT = 8_000;
/** Of the message as JSON: a push has to fit into 32 KB. */
const MESSAGE_LIMIT_BYTES = 32_000;
const PING_ROOMS = 10;
const PRESENCE_EVERY_MS = 30_000;
const PRESENCE_SOON_MS = 1_500;
/** After a welcome: whoever was cut off with us is coming back, too. */
const PRESENCE_AGAIN_MS = 5_000;
const LOSSES_A_MESSAGE = 3;
/** How long a push may be late before it counts as missed. */
const LATE_MS = 1_500;

const store = {
  get: (area, key) => {
    try {
      return area().getItem(`dynamowave.${key}`);
    } catch {
      return null; // storage is blocked: the page works, it only forgets
    }
  },
  set: (area, key, value) => {
    try {
      area().setItem(`dynamowave.${key}`, value);
    } catch {
      // as above
    }
  },
};
const local = () => localStorage;
const session = () => sessionStorage;

class App {
  #config;
  #view;
  /** @type {Connection | null} */
  #connection = null;
  #me = "";
  /** @type {Map<string, Room>} */
  #rooms = new Map();
  /** @type {Room} */
  #current;
  #sending = new Set();
  #presenceTimer = 0;
  #presenceDue = Infinity;
  #status = { phase: "offline" };
  #everOnline = false;

  constructor(config) {
    this.#config = config;
    this.#view = new View({
      onName: (text) => this.#enter(text),
      onRename: () => this.#leaveChat(),
      onJoin: (text) => this.#join(text),
      onLeave: (name) => this.#leave(name),
      onSelect: (name) => this.#select(this.#rooms.get(name)),
      onSend: (text) => this.#write(text),
      onRetry: (entry) => this.#retry(entry),
      onDiscard: (entry) => this.#discard(entry),
      onRetryNow: () => this.#connection?.retryNow(),
    });
    this.#view.limit(this.#limit);
    this.#restoreRooms();
    this.#wireDocument();
  }

  open() {
    const name = store.get(local, "name") ?? "";
    // A reload goes straight in; a new tab may want to be somebody else.
    if (store.get(session, "entered") && NAME.test(name)) this.#enter(name);
    else this.#view.showGate(name);
  }

  get #limit() {
    return this.#config.limits?.message ?? DEFAULT_MESSAGE_LIMIT;
  }

  // Coming in and going out

  #enter(text) {
    const name = text.trim().toLowerCase();
    if (!name) return "Please choose a name.";
    if (name.length > 32) return "Please use at most 32 characters.";
    if (!NAME.test(name)) return "Please use letters a to z, digits, dots, dashes or underscores, starting with a letter or a digit.";
    store.set(local, "name", name);
    store.set(session, "entered", "yes");
    this.#setMe(name);
    this.#view.showChat();
    this.#connect(name);
    this.#select(this.#current);
    return null;
  }

  #connect(name) {
    const url = new URL(this.#config.websocket_url);
    url.searchParams.set("name", name);
    this.#everOnline = false;
    this.#connection = new Connection(url, {
      onStatus: (status) => this.#statusChanged(status),
      onWelcome: (welcome, request) => this.#welcomed(welcome, request),
      onFrame: (frame) => this.#received(frame),
      onHeartbeat: () => ({ rooms: this.#someTails() }),
      onPong: (pong) => this.#ponged(pong),
      onRefused: () => this.#refused(),
    });
    this.#connection.start();
  }

  #leaveChat() {
    this.#connection?.stop();
    this.#connection = null;
    this.#view.clearNotices();
    this.#view.showGate(store.get(local, "name") ?? "");
  }

  async #welcomed({ user }, request) {
    this.#everOnline = true;
    this.#view.clearNotices();
    const asked = store.get(local, "name");
    if (user !== this.#me && user !== asked) this.#view.notice(`The name ${asked} is taken at the moment: you are ${user} here.`);
    this.#setMe(user);
    const rooms = [this.#current, ...[...this.#rooms.values()].filter((room) => room !== this.#current)];
    for (const room of rooms) await this.#subscribe(room, request);
    for (const room of rooms) this.#send(room);
    await this.#refreshPresence();
    this.#refreshPresenceIn(PRESENCE_AGAIN_MS);
  }

  #setMe(name) {
    this.#me = name;
    this.#view.me(name);
  }

  // The status line

  #statusChanged(status) {
    this.#status = status;
    this.#showStatus();
    if (this.#current) this.#show();
  }

  #showStatus() {
    const { phase } = this.#status;
    const retry = phase === "waiting";
    this.#view.status({ phase: retry && !navigator.onLine ? "offline" : phase, text: this.#statusText(), retry });
  }

  #statusText() {
    const { phase, retryAt } = this.#status;
    if (phase === "online") return "Online";
    if (phase === "connecting") return this.#everOnline ? "Reconnecting…" : "Connecting…";
    if (phase === "offline") return "Offline";
    const wait = `${Math.max(1, Math.ceil((retryAt - Date.now()) / 1000))} s`;
    return navigator.onLine ? `Reconnecting in ${wait}` : `Offline, reconnecting in ${wait}`;
  }

  #refused() {
    if (this.#everOnline) return; // a server on its way back, the status line says enough
    this.#view.notice("The server did not accept the connection. It may be down or busy, or there may be too many connections under this name. Trying again.");
  }

  // Rooms

  #restoreRooms() {
    const names = [this.#config.lobby, ...parseList(store.get(local, "rooms"))].filter((name) => ROOM.test(name));
    const linked = linkedRoom();
    if (linked) names.push(linked);
    if (names.length === 0) names.push("lobby");
    for (const name of names) this.#room(name);
    this.#current = this.#rooms.get(linked) ?? this.#rooms.get(names[0]);
  }

  #room(name) {
    if (!this.#rooms.has(name)) this.#rooms.set(name, new Room(name));
    return this.#rooms.get(name);
  }

  #join(text) {
    const name = text.trim().toLowerCase().replace(/^#/, "");
    if (!name) return "Type the name of a room.";
    if (!ROOM.test(name)) return "A room's name is up to 64 letters a to z, digits, dots, dashes or underscores, starting with a letter or a digit.";
    const known = this.#rooms.has(name);
    const room = this.#room(name);
    this.#saveRooms();
    this.#select(room);
    if (!known) this.#subscribe(room, this.#request).then(() => this.#refreshPresence());
    return null;
  }

  #leave(name) {
    const room = this.#rooms.get(name);
    if (room.outbox.length && !window.confirm(`Leave ${name}? ${plural(room.outbox.length, "message")} not sent yet would be lost.`)) return;
    this.#rooms.delete(name);
    this.#saveRooms();
    this.#request("unsubscribe", { room: name }).catch((error) => this.#complain(error));
    this.#select(this.#current === room ? this.#rooms.values().next().value : this.#current);
  }

  #select(room) {
    this.#current = room;
    room.unread = 0;
    history.replaceState(null, "", `#${room.name}`);
    this.#show();
    this.#refreshPresence();
  }

  #saveRooms() {
    store.set(local, "rooms", JSON.stringify([...this.#rooms.keys()]));
  }

  #request = (action, fields) => this.#connection.request(action, fields);

  async #subscribe(room, request) {
    const asked = room.tail;
    try {
      const { seq } = await request("subscribe", { room: room.name });
      room.joined(seq, asked);
      this.#watchForHoles(room);
      this.#show();
    } catch (error) {
      this.#complain(error);
    }
  }

  /** The server's word or a dead connection; the latter is on the status line already. */
  #complain(error) {
    if (error.code !== "disconnected") this.#view.notice(error.message);
  }

  // Receiving

  #received(frame) {
    if (frame.type === "message") this.#messageCame(frame);
    else if (frame.type === "error" || frame.type === undefined) this.#view.notice(`The server says: ${frame.message ?? "something went wrong"}`);
    else if (frame.type === "reconnect") setTimeout(() => this.#connection?.online && this.#connection.handOver(), frame.after_ms ?? 0);
  }

  #messageCame(push) {
    const room = this.#rooms.get(push.room);
    if (!room) return; // left a moment ago
    const isNews = room.receive(push, this.#me);
    const isOthers = isNews && push.user !== this.#me;
    if (isOthers && (room !== this.#current || document.hidden)) room.unread++;
    this.#watchForHoles(room);
    this.#show(room === this.#current && isOthers ? 1 : 0);
    const users = room.presence?.users ?? [];
    if (isOthers && room === this.#current && users.length && !users.includes(push.user)) this.#refreshPresenceIn(PRESENCE_SOON_MS);
  }

  #watchForHoles(room) {
    if (!room.hasHoles) return;
    const { tail } = room;
    setTimeout(() => {
      room.settle(tail);
      this.#show();
    }, LATE_MS);
  }

  /** The rooms to ask the server about with a ping: in turn, when there are many. */
  #someTails() {
    const rooms = [...this.#rooms.values()];
    const turn = rooms.length > PING_ROOMS ? Math.floor(Math.random() * rooms.length) : 0;
    const chosen = [...rooms.slice(turn), ...rooms.slice(0, turn)].slice(0, PING_ROOMS);
    return Object.fromEntries(chosen.map((room) => [room.name, room.tail]));
  }

  #ponged({ rooms = {} }) {
    for (const [name, seq] of Object.entries(rooms)) {
      const room = this.#rooms.get(name);
      if (!room) continue;
      room.exists(seq);
      this.#watchForHoles(room);
    }
  }

  // Sending

  #write(text) {
    const message = text.toWellFormed().trimEnd();
    if (!message.trim()) return "There is nothing to send yet.";
    const problem = this.#tooLong(message);
    if (problem) return problem;
    this.#current.write({ message, cid: newCid(), user: this.#me, at: new Date().toISOString() });
    this.#view.scrollToEnd();
    this.#show();
    this.#send(this.#current);
    return null;
  }

  #tooLong(message) {
    const over = characters(message) - this.#limit;
    if (over > 0) return `Too long by ${plural(over, "character")}: please shorten it or send it in parts.`;
    const bytes = new TextEncoder().encode(JSON.stringify(message)).length - '""'.length;
    if (bytes > MESSAGE_LIMIT_BYTES) return "Too large for one message: please send it in parts.";
    return null;
  }

  /** One at a time, because API Gateway may handle two frames of one connection in either order. */
  async #send(room) {
    if (this.#sending.has(room)) return;
    this.#sending.add(room);
    for (let entry; this.#connection?.online && (entry = room.outbox.find(({ state }) => state === "sending")); ) {
      if (!(await this.#sendOne(room, entry))) break;
      this.#show();
    }
    this.#sending.delete(room);
  }

  /** False when the connection was lost: what is left is sent after the next welcome. */
  async #sendOne(room, entry) {
    if (entry.tried && entry.tried !== this.#me) {
      this.#fail(entry, `it may have arrived under your former name, ${entry.tried}.`);
      return true;
    }
    entry.tried = this.#me;
    try {
      room.acknowledge(entry, await this.#request("sendmessage", { room: room.name, message: entry.message, cid: entry.cid }));
      this.#watchForHoles(room);
    } catch (error) {
      const lost = error.code === "disconnected";
      // A message that ends every connection it is sent over must not do so for ever.
      entry.losses = (entry.losses ?? 0) + (lost ? 1 : 0);
      if (lost && entry.losses < LOSSES_A_MESSAGE) return this.#connection?.online;
      this.#fail(entry, error.message);
    }
    return true;
  }

  #fail(entry, reason) {
    entry.state = "failed";
    entry.reason = reason;
  }

  #retry(entry) {
    entry.state = "sending";
    entry.tried = undefined;
    entry.losses = 0;
    this.#show();
    this.#send(this.#current);
  }

  #discard(entry) {
    this.#current.discard(entry);
    this.#show();
  }

  // Who is here

  async #refreshPresence() {
    this.#view.people(this.#current.presence, this.#me);
    this.#presenceDue = Infinity;
    this.#refreshPresenceIn(PRESENCE_EVERY_MS);
    if (!this.#connection?.online || document.hidden) return;
    const room = this.#current;
    try {
      const { users = [], count = users.length } = await this.#request("presence", { room: room.name });
      room.presence = { users: [...users].sort(), count };
    } catch {
      return; // it is asked again soon
    }
    if (room === this.#current) this.#view.people(room.presence, this.#me);
  }

  /** Refreshes at the latest in `ms`: a lively room must not put it off for ever. */
  #refreshPresenceIn(ms) {
    const due = Date.now() + ms;
    if (due >= this.#presenceDue) return;
    this.#presenceDue = due;
    clearTimeout(this.#presenceTimer);
    this.#presenceTimer = setTimeout(() => this.#refreshPresence(), ms);
  }

  // The document

  #show(fresh = 0) {
    this.#view.rooms([...this.#rooms.values()], this.#current, this.#config.lobby);
    this.#view.log(this.#current, { connected: Boolean(this.#connection?.online), fresh });
  }

  #wireDocument() {
    setInterval(() => this.#status.phase === "waiting" && this.#showStatus(), 500);
    window.addEventListener("offline", () => this.#showStatus());
    document.addEventListener("visibilitychange", () => {
      if (document.hidden || !this.#connection) return;
      this.#current.unread = 0;
      this.#show();
      this.#refreshPresence();
    });
    window.addEventListener("hashchange", () => {
      if (this.#connection && linkedRoom()) this.#join(linkedRoom());
    });
    window.addEventListener("beforeunload", (event) => {
      if ([...this.#rooms.values()].some((room) => room.outbox.length)) event.preventDefault();
    });
  }
}

/** A room can be linked to: the page's address and #its-name. */
function linkedRoom() {
  const name = location.hash.slice(1);
  return ROOM.test(name) ? name : null;
}

function newCid() {
  // randomUUID exists only on https and localhost; the page may be tried over a local network.
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function parseList(text) {
  try {
    const list = JSON.parse(text ?? "[]");
    return Array.isArray(list) ? list.map(String) : [];
  } catch {
    return [];
  }
}

async function loadConfig() {
  const response = await fetch(new URL("config", document.baseURI));
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response.json();
}

function problemWith({ websocket_url: url, guests }) {
  if (!url) return "This server does not say where its WebSocket is: WEBSOCKET_URL is not set for this stage.";
  if (!guests) return "Guests are off on this server, and this version of the page has no log-in yet.";
  return null;
}

async function main() {
  let config;
  try {
    config = await loadConfig();
  } catch (error) {
    View.problem(`The server's configuration could not be loaded (${error.message}). Reload the page to try again.`);
    return;
  }
  const problem = problemWith(config);
  if (problem) View.problem(problem);
  else new App(config).open();
}

main();
