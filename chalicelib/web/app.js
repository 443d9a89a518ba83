/**
 * The page: asks for a name, holds the connection, and lets the chat and the view know of each other.
 */

import { Chat } from "./chat.js";
import { Connection } from "./connection.js";
import { characters, confirmed, plural } from "./dom.js";
import { directRoom } from "./rooms.js";
import { View } from "./view.js";

const NAME = /^[a-z0-9][a-z0-9._-]{0,31}$/;
const KEY = /^[A-Za-z0-9_-]{16,64}$/;
const ROOM = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const DEFAULT_MESSAGE_LIMIT = 8_000;
/** Of the message as JSON: a push has to fit into 32 KB. */
const MESSAGE_LIMIT_BYTES = 32_000;
/** Not by animation frames: a page in the background has none, but a title that counts. */
const SHOW_AFTER_MS = 16;

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

/** What keeps a guest's name theirs, over reconnections and in every tab of this browser. */
function secret() {
  const kept = store.get(local, "key");
  if (KEY.test(kept)) return kept;
  const made = [...crypto.getRandomValues(new Uint8Array(24))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  store.set(local, "key", made);
  return store.get(local, "key") ?? (secret.unkept ??= made);
}

class App {
  #config;
  #lobby;
  #view;
  #chat;
  /** @type {Connection | null} */
  #connection = null;
  #status = { phase: "offline" };
  #everOnline = false;
  /** What is to be shown in a moment: rooms that changed, and messages of others that just came. */
  #changes = new Set();
  #fresh = [];
  #showTimer = null;
  /** The rooms that were left on this device. */
  #left = new Set(parseList(store.get(local, "left")));

  constructor(config) {
    this.#config = config;
    this.#lobby = ROOM.test(config.lobby) ? config.lobby : "lobby";
    this.#chat = new Chat(config.limits, {
      onChange: (room, fresh) => this.#changed(room, fresh),
      onComplaint: (text) => this.#view.notice(text),
      isRead: (room) => this.#isRead(room),
      isLeft: (name) => this.#left.has(name),
    });
    this.#view = new View(this.#viewHandlers());
    this.#view.limit(this.#limit);
    this.#wireDocument();
  }

  open() {
    const name = store.get(local, "name") ?? "";
    // A reload goes straight in; a new tab may want to be somebody else.
    if (!store.get(session, "entered") || !NAME.test(name)) this.#view.showGate(name);
    else this.#enter(name);
  }

  get #limit() {
    return this.#config.limits?.message ?? DEFAULT_MESSAGE_LIMIT;
  }

  #viewHandlers() {
    const chat = this.#chat;
    return {
      onName: (text) => this.#enter(text),
      onRename: () => this.#leaveChat(),
      onJoin: (text) => this.#join(text),
      onLeave: (name) => this.#leave(name),
      onSelect: (name) => this.#show(chat.rooms.get(name)),
      onDirect: (user) => this.#show(chat.direct(user)),
      onOlder: (asked) => chat.loadOlder(chat.current, asked),
      onSeen: () => this.#changed(chat.current, null),
      onSend: (text) => this.#send(text),
      onEdited: (seq, text) => this.#edited(seq, text),
      onEditLast: () => chat.current.lastOwn(chat.me),
      onTyping: () => chat.isTyping(),
      onDelete: (message) => this.#delete(message),
      onReact: ({ seq, reactions }, emoji) => chat.react(seq, emoji, reactions.some((reaction) => reaction.emoji === emoji && reaction.own)),
      onRetry: (item) => chat.retry(item),
      onDiscard: (item) => chat.discard(item),
      onRetryNow: () => this.#connection?.retryNow(),
    };
  }

  // Coming in and going out

  #enter(text) {
    const name = text.trim().toLowerCase();
    if (!name) return "Please choose a name.";
    if (name.length > 32) return "Please use at most 32 characters.";
    if (!NAME.test(name)) return "Please use letters a to z, digits, dots, dashes or underscores, starting with a letter or a digit.";
    store.set(local, "name", name);
    store.set(session, "entered", "yes");
    this.#chat.me = name;
    this.#chat.forget(this.#lobby);
    this.#view.me(name);
    this.#view.showChat();
    this.#connect(name);
    this.#show(this.#chat.add(linkedRoom(name) ?? this.#lobby));
    return null;
  }

  #connect(name) {
    const url = new URL(this.#config.websocket_url);
    url.searchParams.set("name", name);
    url.searchParams.set("key", secret());
    this.#everOnline = false;
    this.#connection = new Connection(url, {
      onStatus: (status) => this.#statusChanged(status),
      onWelcome: ({ user }, request) => {
        url.searchParams.set("name", user); // whatever the name became, it stays
        return this.#welcomed(user, request);
      },
      onFrame: (frame) => this.#received(frame),
      onHeartbeat: () => ({ rooms: this.#chat.positions() }),
      onPong: (pong) => this.#chat.ponged(pong),
      onRefused: () => this.#refused(),
    });
    this.#chat.connection = this.#connection;
    this.#connection.start();
  }

  async #leaveChat() {
    if (!(await this.#mayLose(this.#chat.unsent, "Change name?", "Change name"))) return;
    this.#connection?.stop();
    this.#connection = this.#chat.connection = null;
    this.#view.clearNotices();
    this.#view.showGate(store.get(local, "name") ?? "");
  }

  async #welcomed(user, request) {
    const { me } = this.#chat;
    this.#everOnline = true;
    this.#view.clearNotices();
    if (user !== me) this.#view.notice(`The name ${me} is taken at the moment: you are ${user} here.`);
    this.#view.me(user);
    await this.#chat.welcomed(user, request);
  }

  // The status line

  #statusChanged(status) {
    this.#status = status;
    this.#showStatus();
    if (this.#chat.current) this.#changed(this.#chat.current, null);
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
    this.#view.notice("The server did not accept the connection. It may be down or busy. Trying again.");
  }

  // Rooms

  #join(text) {
    const name = text.trim().toLowerCase().replace(/^#/, "");
    if (!name) return "Type the name of a room.";
    if (!ROOM.test(name)) return "A room's name is up to 64 letters a to z, digits, dots, dashes or underscores, starting with a letter or a digit.";
    this.#show(this.#chat.add(name));
    return null;
  }

  async #leave(name) {
    const room = this.#chat.rooms.get(name);
    if (!(await this.#mayLose(room.unsent, `Leave ${name}?`, "Leave"))) return;
    this.#remember(() => this.#left.add(name));
    this.#chat.leave(room);
    this.#show(this.#chat.current === room ? this.#chat.rooms.values().next().value : this.#chat.current);
  }

  #show(room) {
    this.#view.stopEditing();
    this.#fresh = [];
    if (this.#left.has(room.name)) this.#remember(() => this.#left.delete(room.name));
    history.replaceState(null, "", linkTo(room));
    this.#chat.show(room);
  }

  #remember(change) {
    change();
    store.set(local, "left", JSON.stringify([...this.#left]));
  }

  async #mayLose(unsent, question, yes) {
    return unsent === 0 || confirmed(`${question} ${plural(unsent, "message")} not sent yet would be lost.`, yes);
  }

  // Receiving and showing

  #received(frame) {
    if (frame.type === "reconnect") setTimeout(() => this.#connection?.online && this.#connection.handOver(), frame.after_ms ?? 0);
    else if (frame.type !== "error") this.#chat.received(frame);
    else if (frame.action !== "typing") this.#view.notice(`The server says: ${frame.message ?? "something went wrong"}`);
  }

  /** Many changes may come at once, and the log of a room is long: they are shown together. */
  #changed(room, fresh) {
    this.#changes.add(room);
    if (fresh && room === this.#chat.current) this.#fresh.push(fresh);
    this.#showTimer ??= setTimeout(() => this.#showChanges(), SHOW_AFTER_MS);
  }

  #showChanges() {
    this.#showTimer = null;
    const { current } = this.#chat;
    if (this.#changes.has(current)) {
      const connected = Boolean(this.#connection?.online);
      this.#view.room(current, this.#chat.me, { connected, fresh: this.#fresh.splice(0) });
      if (this.#isRead(current)) this.#chat.read(current);
    }
    this.#changes.clear();
    this.#view.rooms([...this.#chat.rooms.values()], current, this.#lobby);
  }

  /** On show, with its end in sight. */
  #isRead(room) {
    return room === this.#chat.current && room.timeline.opened && !document.hidden && this.#connection !== null && this.#view.atEnd;
  }

  // Writing

  #send(text) {
    const message = text.toWellFormed().trimEnd();
    const problem = this.#problemWith(message);
    if (problem) return problem;
    this.#chat.send(message);
    this.#view.scrollToEnd();
    return null;
  }

  #edited(seq, text) {
    const message = text.toWellFormed().trimEnd();
    const problem = this.#problemWith(message);
    if (problem) return problem;
    if (message !== this.#chat.current.timeline.find(seq)?.message) this.#chat.edit(seq, message);
    return null;
  }

  #problemWith(message) {
    if (!message.trim()) return "There is nothing to send yet.";
    const over = characters(message) - this.#limit;
    if (over > 0) return `Too long by ${plural(over, "character")}: please shorten it or send it in parts.`;
    const bytes = new TextEncoder().encode(JSON.stringify(message)).length - '""'.length;
    if (bytes > MESSAGE_LIMIT_BYTES) return "Too large for one message: please send it in parts.";
    return null;
  }

  async #delete({ seq }) {
    if (await confirmed("Delete this message for everyone?", "Delete")) this.#chat.delete(seq);
  }

  // The document

  #wireDocument() {
    setInterval(() => this.#status.phase === "waiting" && this.#showStatus(), 500);
    window.addEventListener("offline", () => this.#showStatus());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.#connection) this.#changed(this.#chat.current, null);
    });
    window.addEventListener("hashchange", () => {
      const name = this.#connection && linkedRoom(this.#chat.me);
      if (name) this.#show(this.#chat.add(name));
    });
    window.addEventListener("beforeunload", (event) => {
      if (this.#chat.unsent) event.preventDefault();
    });
  }
}

/** A room can be linked to: the page's address and #its-name, or #@somebody. */
function linkedRoom(me) {
  const name = location.hash.slice(1);
  if (name.startsWith("@") && NAME.test(name.slice(1)) && name !== `@${me}`) return directRoom(me, name.slice(1));
  return ROOM.test(name) ? name : null;
}

const linkTo = ({ name, peer }) => (peer ? `#@${peer}` : `#${name}`);

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
