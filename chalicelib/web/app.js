/**
 * The page: lets the person in, holds the connection, and lets the chat and the view know of each other.
 */

import { Chat } from "./chat.js";
import { Connection } from "./connection.js";
import { ask } from "./dialogs.js";
import { characters, confirmed, plural } from "./dom.js";
import { Gate } from "./gate.js";
import { Governance } from "./governance.js";
import { isRoom, linkTo, linkedRoom, roomNamed, roomProblem } from "./names.js";
import { server } from "./server.js";
import { Account, Guest, remembered } from "./sessions.js";
import { Status } from "./status.js";
import { store } from "./store.js";
import { View } from "./view.js";

const DEFAULT_MESSAGE_LIMIT = 8_000;
/** Of the message as JSON: a push has to fit into 32 KB. */
const MESSAGE_LIMIT_BYTES = 32_000;
/** Not by animation frames: a page in the background has none, but a title that counts. */
const SHOW_AFTER_MS = 16;
const SIGNED_OUT = "You have been signed out. Please log in again.";

class App {
  #config;
  #lobby;
  #view;
  #chat;
  #gate;
  #governance;
  /** @type {Account | Guest | null} */
  #session = null;
  /** @type {Connection | null} */
  #connection = null;
  #status = new Status();
  /** What is to be shown in a moment: rooms that changed, and messages of others that just came. */
  #changes = new Set();
  #fresh = [];
  #showTimer = null;

  constructor(config) {
    this.#config = config;
    this.#lobby = isRoom(config.lobby) ? config.lobby : "lobby";
    this.#chat = new Chat(config.limits, {
      onChange: (room, fresh) => this.#changed(room, fresh),
      onComplaint: (text) => this.#view.notice(text),
      isRead: (room) => this.#isRead(room),
      onGone: (room, why) => this.#gone(room, why),
      onInvited: (room, user) => this.#view.notice(`${user} invited you to ${room.name}.`),
    });
    this.#governance = new Governance(this.#chat.govern, {
      onMade: (name, visibility) => this.#show(Object.assign(this.#chat.add(name), { visibility, role: "owner" })),
      onDone: (text) => this.#view.notice(text),
      onLeave: (name) => this.#leave(name),
    });
    this.#gate = new Gate(config, { onEnter: (mode, entry) => this.#admit(mode, entry) });
    this.#view = new View(this.#viewHandlers());
    this.#view.limit(this.#limit);
    this.#wireDocument();
  }

  open() {
    const session = remembered(this.#config);
    if (session) this.#enter(session);
    else this.#gate.show({ name: store.get("user") || store.get("name") || "", mode: store.get("user") ? "login" : undefined });
  }

  get #limit() {
    return this.#config.limits?.message ?? DEFAULT_MESSAGE_LIMIT;
  }

  #viewHandlers() {
    const chat = this.#chat;
    return {
      myMenu: () => this.#myMenu(),
      roomMenu: () => this.#governance.entries(chat.current, { lobby: this.#lobby, me: chat.me }),
      onNewRoom: () => this.#governance.askForRoom(),
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

  /** Rejects with a Refusal where the person is not let in. */
  async #admit(mode, { name, password, token }) {
    const url = this.#config.websocket_url;
    if (mode === "guest") this.#enter(new Guest(url, name));
    else if (mode === "token") this.#enter(await Account.vouched(url, token));
    else this.#enter(Account.admitted(url, await server[mode](name, password)));
  }

  #enter(session) {
    const isSame = this.#chat.current && session.user === this.#chat.me && session.guest === this.#chat.guest;
    this.#session = session;
    this.#gate.hide();
    if (!isSame) this.#chat.forget(this.#lobby); // what was not sent yet is still the same person's
    this.#become(session.user);
    this.#view.showChat();
    this.#connect();
    this.#show(this.#chat.add(linkedRoom(session.user) ?? this.#lobby));
  }

  #become(user) {
    this.#chat.me = user;
    this.#chat.guest = this.#session.guest;
    this.#view.me(user, this.#session.guest);
  }

  #connect() {
    const session = this.#session;
    const guarded = (act) => this.#guarded(session, act);
    this.#status.begin();
    this.#connection = new Connection({
      address: () => guarded(() => session.address()),
      newerToken: () => guarded(() => session.newerToken()),
      renewIn: () => session.renewIn(),
    }, {
      onStatus: (status) => this.#statusChanged(status),
      onWelcome: ({ user }, request) => this.#welcomed(user, request),
      onFrame: (frame) => this.#received(frame),
      onHeartbeat: () => ({ rooms: this.#chat.positions() }),
      onPong: (pong) => this.#chat.ponged(pong),
      onRefused: () => this.#refused(),
    });
    this.#chat.connection = this.#connection;
    this.#connection.start();
  }

  /** The server does not know the person any more: another session is the cure. */
  async #guarded(session, act) {
    try {
      return await act();
    } catch (error) {
      if (error.status === 401 && session === this.#session) this.#signOut(SIGNED_OUT);
      else if (error.status >= 400 && error.status < 429 && error.status !== 401) this.#view.notice(`The server says: ${error.message}`, "connection");
      throw error;
    }
  }

  /** Back to the gate. What was not sent waits there for the same person. */
  #signOut(notice) {
    const { user, guest } = this.#session;
    this.#session.forget();
    this.#close();
    this.#gate.show({ name: user, mode: guest ? undefined : "login", notice });
  }

  #close() {
    this.#connection?.stop();
    this.#connection = this.#chat.connection = this.#session = null;
    for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
    this.#view.leave();
  }

  #myMenu() {
    if (this.#session.guest) return [["Change name", () => this.#leaveChat("Change name")], ["Log in or create an account", () => this.#leaveChat("Leave", "login")]];
    return [["Change password…", () => this.#askForPassword()], ["Log out everywhere", () => this.#logOut()]];
  }

  async #leaveChat(yes, mode) {
    if (!(await this.#mayLose(this.#chat.unsent, `${yes}?`, yes))) return;
    const { user } = this.#session;
    this.#session.forget();
    this.#close();
    this.#chat.forget(this.#lobby);
    this.#gate.show({ name: user, mode: mode ?? "guest" });
  }

  #askForPassword() {
    const session = this.#session;
    const password = (name, label, autocomplete, hint) => ({ name, label, hint, kind: "password", attributes: { autocomplete, maxlength: "512" } });
    const fields = [
      password("present", "Present password", "current-password"),
      password("wanted", "New password", "new-password", "At least 8 characters. All your other devices are logged out."),
    ];
    ask({ title: "Change password", yes: "Change", fields }, async ({ present, wanted }) => {
      if ([...wanted].length < 8) return "Please use at least 8 characters.";
      await session.changePassword(present, wanted);
      this.#view.notice("Your password is changed, and your other devices are logged out.");
      return null;
    });
  }

  async #logOut() {
    const question = "Log out on all your devices?";
    if (!(this.#chat.unsent ? await this.#mayLose(this.#chat.unsent, question, "Log out") : await confirmed(question, "Log out"))) return;
    const session = this.#session;
    try {
      await session?.logout();
    } catch (error) {
      this.#view.notice(`You are still logged in: ${error.message}`);
      return;
    }
    if (session === this.#session) this.#signOut("You are logged out everywhere.");
    this.#chat.forget(this.#lobby);
  }

  /** Another tab has logged in or out. */
  #accountChanged() {
    const session = remembered(this.#config);
    if (this.#session && !this.#session.guest && (!session || session.guest)) this.#signOut(SIGNED_OUT);
    else if (this.#session && !this.#session.guest && this.#chat.me && session.user !== this.#chat.me) location.reload();
    else if (!this.#session && session && !session.guest) this.#enter(session);
  }

  async #welcomed(user, request) {
    const { me } = this.#chat;
    this.#session.welcomed(user);
    this.#view.clearNotices("connection");
    if (user !== me && this.#session.guest) this.#view.notice(`The name ${me} is taken at the moment: you are ${user} here.`);
    this.#view.me(user, this.#session.guest);
    await this.#chat.welcomed(user, request);
  }

  // The status line

  #statusChanged(status) {
    this.#status.changed(status);
    this.#view.status(this.#status.shown);
    if (this.#chat.current) this.#changed(this.#chat.current, null);
  }

  #refused() {
    if (this.#status.everOnline) return; // a server on its way back, the status line says enough
    this.#view.notice("The server did not accept the connection. It may be down or busy. Trying again.", "connection");
  }

  // Rooms

  #join(text) {
    const name = roomNamed(text);
    const problem = roomProblem(name);
    if (problem) return problem;
    this.#show(this.#chat.add(name));
    return null;
  }

  async #leave(name) {
    const room = this.#chat.rooms.get(name);
    if (!(await this.#mayLose(room.unsent, `Leave ${name}?`, "Leave"))) return;
    await this.#chat.leave(room);
  }

  #gone(room, why) {
    if (why) this.#view.notice(why);
    if (room === this.#chat.current && this.#chat.rooms.get(room.name) !== room) this.#show(this.#chat.rooms.values().next().value);
    else this.#changed(room, null);
  }

  #show(room) {
    this.#view.stopEditing();
    this.#fresh = [];
    history.replaceState(null, "", linkTo(room));
    this.#chat.show(room);
  }

  async #mayLose(unsent, question, yes) {
    return unsent === 0 || confirmed(`${question} ${plural(unsent, "message")} not sent yet would be lost.`, yes);
  }

  // Receiving and showing

  #received(frame) {
    if (frame.type === "reconnect") this.#connection?.moveIn(frame.after_ms ?? 0);
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

  #tick() {
    if (this.#status.isWaiting) this.#view.status(this.#status.shown);
    if (this.#session) this.#view.wait(this.#chat.current.waitsUntil);
  }

  #wireDocument() {
    setInterval(() => this.#tick(), 500);
    window.addEventListener("offline", () => this.#view.status(this.#status.shown));
    store.watch("account", () => this.#accountChanged());
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

async function main() {
  let config;
  try {
    config = await server.config();
  } catch (error) {
    View.problem(`The server's configuration could not be loaded (${error.message}) Reload the page to try again.`);
    return;
  }
  if (config.websocket_url) new App(config).open();
  else View.problem("This server does not say where its WebSocket is: WEBSOCKET_URL is not set for this stage.");
}

main();
