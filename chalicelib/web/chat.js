/**
 * The chat without its looks: keeps the rooms in step with the server, over whatever connection there is.
 *
 * No DOM in here. The clauses named here (C1, M2, ...) are those of docs/protocol.md.
 */

import { RequestError } from "./connection.js";
import { Sender } from "./sender.js";
import { Room, directRoom, peerOf } from "./rooms.js";

const PAGE = 50;
const PAGE_LIMIT = 100;
const KEEP_MESSAGES = 1_000;
const PING_ROOMS = 10;
/** How long a push may be late before it is asked for (C5). */
const LATE_MS = 1_000;
const LATE_CAP_MS = 30_000;
const OLDER_AGAIN_MS = 5_000;
const READ_AFTER_MS = 1_000;
const LIST_AFTER_MS = 500;
const TYPING_EVERY_MS = 3_000;
const TYPING_SHOWN_MS = 5_100;

export class Chat {
  me = "";
  guest = false;
  /** @type {Map<string, Room>} */
  rooms = new Map();
  #limits;
  #handlers;
  #connection = null;
  #sender;
  #current = null;
  #turn = 0;
  #listTimer = 0;
  /** @type {WeakMap<Room, Promise>} the subscription that is under way */
  #following = new WeakMap();
  /** Settles after the last list or departure. */
  #turns = Promise.resolve();
  /** @type {Set<Set<string>>} of each list that is being read: what was left meanwhile */
  #lists = new Set();
  #holeTimers = new Map();
  #readTimers = new Map();
  #typed = { room: null, at: 0 };

  /**
   * @param {{subscriptions?: number}} limits
   * @param {object} handlers onChange(room, fresh): something to show, `fresh` is a message of
   *   somebody else that just came; onComplaint(text); isRead(room): whether its end is being looked
   *   at; onGone(room, why): the person is not in the room any more, and `why` it is, where that is
   *   news; onInvited(room, user).
   */
  constructor(limits, handlers) {
    this.#limits = { subscriptions: 100, ...limits };
    this.#handlers = handlers;
    this.#sender = new Sender({
      request: this.#request,
      online: () => this.#online,
      me: () => this.me,
      guest: () => this.guest,
      onChange: (room) => this.#changed(room),
    });
  }

  /** The connection to use from now on, or null. */
  set connection(connection) {
    this.#connection = connection;
  }

  get current() {
    return this.#current;
  }

  get #online() {
    return Boolean(this.#connection?.online);
  }

  // Coming (back)

  /** After every welcome: asks for all that was missed, through `request`. */
  async welcomed(user, request) {
    if (user !== this.me) this.#become(user);
    await this.#attempt(() => this.#keepUp(this.#current, request));
    for (const room of this.rooms.values()) this.#sender.flush(room);
    await this.#attempt(() => this.#list(request));
    const others = [...this.rooms.values()].filter((room) => room !== this.#current);
    let free = this.#limits.subscriptions - 1;
    for (const room of others) {
      if (!room.peer && free-- <= 0) continue;
      await this.#attempt(() => this.#keepUp(room, request));
    }
    this.#askPresence(this.#current, request);
    this.#handlers.onChange(this.#current);
  }

  /** A guest under another name is somebody else: the direct messages were the former one's (D4). */
  #become(user) {
    this.me = user;
    const { peer } = this.#current;
    for (const room of [...this.rooms.values()]) if (room.peer) this.rooms.delete(room.name);
    if (peer) this.#current = peer === user ? this.rooms.values().next().value : this.direct(peer);
  }

  async #keepUp(room, request) {
    if (!this.#has(room)) return; // to subscribe would be to join it again
    const following = this.#follow(room, request);
    this.#following.set(room, following.catch(() => {}));
    try {
      await following;
    } catch (error) {
      if (error.code !== "forbidden") throw error;
      this.#drop(room, `${room.title} cannot be opened: ${error.message}`);
    }
  }

  /** A room that was never shown only needs its pushes; a direct room has them anyway (D1). */
  async #follow(room, request) {
    if (room.timeline.opened) await this.#catchUp(room, request);
    else {
      const { seq } = room.peer ? { seq: 0 } : await request("subscribe", { room: room.name });
      room.timeline.exists(seq);
      if (room === this.#current) await this.#open(room, seq, request);
    }
    this.#changed(room);
  }

  /** Everything after what we have, page by page, or the news that it cannot be had (C1, C2). */
  async #catchUp(room, request) {
    for (;;) {
      const { recovered, events, seq, more } = await request("subscribe", { room: room.name, after: room.timeline.last });
      if (!recovered) {
        room.startOver({ events, seq }, this.me);
        return;
      }
      for (const event of events) this.#take(room, event);
      room.timeline.exists(seq);
      if (!more || events.length === 0) return;
    }
  }

  /** `seq` was the last of the log before: where nothing is kept, everything after it is to come. */
  async #open(room, seq, request) {
    const { events, more } = await request("history", { room: room.name, limit: PAGE });
    if (!room.timeline.opened) room.open(events, { seq: events.length ? 0 : seq, older: more }, this.me);
    this.#watchForHoles(room);
  }

  // The list of rooms

  /** Adds what the person has joined, here or on another device, and what is unread there (M2). */
  async #list(request = this.#request) {
    const left = new Set();
    this.#lists.add(left);
    try {
      await this.#inTurn(() => this.#readList(request, left));
    } finally {
      this.#lists.delete(left);
    }
    this.#changed(this.#current);
  }

  async #readList(request, left) {
    for (let after; ; ) {
      const { rooms, more } = await request("rooms", after === undefined ? {} : { after });
      for (const listed of rooms) if (!left.has(listed.name)) this.#listed(listed);
      after = rooms.at(-1)?.name;
      if (!more || after === undefined) break;
    }
  }

  #listed({ name, visibility, role, seq, unread }) {
    const room = this.add(name);
    Object.assign(room, { visibility, role });
    room.counted = seq;
    room.unread = this.#handlers.isRead(room) ? 0 : room.timeline.othersAmong(unread, seq, this.me);
    if (room.timeline.opened) this.#exists(room, seq);
  }

  #listSoon() {
    clearTimeout(this.#listTimer);
    this.#listTimer = setTimeout(() => this.#attempt(() => this.#list()), LIST_AFTER_MS);
  }

  add(name) {
    if (!this.rooms.has(name)) this.rooms.set(name, new Room(name, peerOf(name, this.me)));
    return this.rooms.get(name);
  }

  /** Forgets what belongs to a person, before somebody else uses the page. */
  forget(lobby) {
    for (const timers of [this.#holeTimers, this.#readTimers]) {
      for (const timer of timers.values()) clearTimeout(timer);
      timers.clear();
    }
    clearTimeout(this.#listTimer);
    this.rooms = new Map();
    this.#current = this.add(lobby);
  }

  direct(user) {
    return this.add(directRoom(this.me, user));
  }

  /** On all devices of the person; the others are told by a push. */
  leave(room) {
    return this.#attempt(async () => {
      await this.#following.get(room);
      await this.#inTurn(() => this.#request("leave", { room: room.name }));
      this.#drop(room, null);
    });
  }

  /** The last room stays, with nothing to come: the page always shows one. */
  #drop(room, why) {
    if (!room || !this.#has(room)) return;
    if (this.rooms.size > 1) this.rooms.delete(room.name);
    for (const left of this.#lists) left.add(room.name);
    for (const timers of [this.#holeTimers, this.#readTimers]) {
      clearTimeout(timers.get(room));
      timers.delete(room);
    }
    this.#handlers.onGone(room, why);
  }

  #has(room) {
    return this.rooms.get(room.name) === room;
  }

  /** API Gateway may handle two frames in either order (L8), and to list rooms is to be in them. */
  #inTurn(act) {
    const turn = this.#turns.then(act);
    this.#turns = turn.catch(() => {});
    return turn;
  }

  /** Asks the server for something that changes rooms, and then what they are now. */
  govern = async (action, fields) => {
    await this.#request(action, fields);
    this.#listSoon();
  };

  /** Shows a room: reads its newest page the first time. */
  async show(room) {
    this.#current = room;
    this.#changed(room);
    if (!this.#online) return;
    const { timeline } = room;
    if (!timeline.opened) await this.#attempt(() => this.#keepUp(room, this.#request));
    if (!this.#has(room)) return;
    if (room.role === null) this.#listSoon();
    await this.#askPresence(room, this.#request);
  }

  /** Reads the page before the first message that is here; without being `asked`, not soon after a failure. */
  async loadOlder(room, asked = false) {
    const { timeline } = room;
    if (room.loading || !this.#online || !timeline.older || (!asked && Date.now() < room.olderAt)) return;
    room.loading = true;
    room.olderAt = Date.now() + OLDER_AGAIN_MS;
    this.#changed(room);
    await this.#attempt(async () => {
      const { base } = timeline;
      const { events, more } = await this.#request("history", { room: room.name, before: base + 1, limit: PAGE });
      if (timeline.base === base) timeline.prepend(events, more);
      room.olderAt = 0;
    });
    room.loading = false;
    this.#changed(room);
  }

  // Receiving

  received(frame) {
    if (frame.type === "presence") this.#presenceCame(frame);
    else if (frame.type === "typing") this.#typingCame(frame);
    else if (frame.type === "read") this.#readCame(frame);
    else if (frame.type === "kicked") this.#drop(this.rooms.get(frame.room), kickedFrom(frame));
    else if (frame.type === "left") this.#drop(this.rooms.get(frame.room), null);
    else if (frame.type === "invited") this.#invited(frame);
    else if (["message", "edit", "delete", "reaction"].includes(frame.type)) this.#entryCame(frame);
  }

  #invited({ room: name, user }) {
    const room = this.add(name);
    this.#handlers.onInvited(room, user);
    this.#attempt(() => this.#keepUp(room, this.#request));
    this.#listSoon();
  }

  #entryCame(push) {
    const room = this.rooms.get(push.room) ?? this.#newDirectRoom(push.room);
    if (!room) return; // left a moment ago
    const isNews = this.#take(room, push);
    const fresh = isNews && push.type === "message" && push.user !== this.me ? push : null;
    if (fresh && push.seq > room.counted && !this.#handlers.isRead(room)) room.unread++;
    this.#handlers.onChange(room, fresh);
  }

  #newDirectRoom(name) {
    if (!peerOf(name, this.me)) return undefined;
    this.#listSoon(); // there may be more that is unread
    return this.add(name);
  }

  #take(room, event) {
    const isNews = room.receive(event, this.me);
    if (room !== this.#current || this.#handlers.isRead(room)) room.timeline.trim(KEEP_MESSAGES);
    this.#watchForHoles(room);
    return isNews;
  }

  #exists(room, seq) {
    room.timeline.exists(seq);
    this.#watchForHoles(room);
  }

  #watchForHoles(room, wait = LATE_MS) {
    if (!room.timeline.hole || this.#holeTimers.has(room) || !this.#has(room)) return;
    const timer = setTimeout(() => this.#fill(room, wait), wait * (1 + Math.random() / 2));
    this.#holeTimers.set(room, timer);
  }

  async #fill(room, waited) {
    const { timeline } = room;
    if (timeline.hole && this.#online) await this.#readHole(room).catch(() => {}); // asked for again below
    this.#holeTimers.delete(room);
    this.#changed(room);
    // Without a connection there is nothing to ask; the next welcome catches up.
    if (this.#online) this.#watchForHoles(room, Math.min(LATE_CAP_MS, waited * 2));
  }

  async #readHole(room) {
    const { from, to } = room.timeline.hole;
    const limit = Math.min(PAGE_LIMIT, to - from + 1);
    const { events } = await this.#request("history", { room: room.name, before: to + 1, limit });
    for (const event of events) this.#take(room, event);
    if (room.timeline.hole) await this.#keepUp(room, this.#request);
  }

  /** The rooms to ask the server about with a ping: the one on show and, in turn, the others. */
  positions() {
    const others = [...this.rooms.values()].filter((room) => room !== this.#current);
    const turn = others.length ? this.#turn % others.length : 0;
    this.#turn += PING_ROOMS - 1;
    const chosen = [this.#current, ...others.slice(turn), ...others.slice(0, turn)].slice(0, PING_ROOMS);
    return Object.fromEntries(chosen.map(({ name, timeline }) => [name, timeline.opened ? timeline.last : timeline.known]));
  }

  ponged({ rooms = {} }) {
    for (const [name, seq] of Object.entries(rooms)) {
      const room = this.rooms.get(name);
      if (!room) continue;
      // What was missed in a room that is not open is only counted.
      if (!room.timeline.opened && seq > Math.max(room.timeline.known, room.counted)) this.#listSoon();
      this.#exists(room, seq);
    }
    this.#askPresence(this.#current, this.#request);
  }

  // Reading

  /** The end of the room is being looked at. */
  read(room) {
    const { last } = room.timeline;
    room.unread = 0;
    if (last <= room.marker || this.#readTimers.has(room)) return;
    this.#readTimers.set(room, setTimeout(() => this.#markRead(room), READ_AFTER_MS));
  }

  async #markRead(room) {
    this.#readTimers.delete(room);
    const seq = room.timeline.last;
    if (seq <= room.marker || !this.#online) return;
    try {
      await this.#request("read", { room: room.name, seq });
      room.marker = Math.max(room.marker, seq);
      room.counted = Math.max(room.counted, seq);
    } catch {
      return; // it is sent again with the next message or visit
    }
  }

  /** The person has read on another device (D3). */
  #readCame({ room: name, user, seq }) {
    const room = this.rooms.get(name);
    if (!room || user !== this.me) return;
    room.marker = Math.max(room.marker, seq);
    const unread = seq >= room.timeline.known ? 0 : room.timeline.countAfter(seq, this.me);
    if (unread === null) this.#listSoon();
    else room.unread = Math.min(room.unread, unread);
    this.#changed(room);
  }

  // Who is here, and who is writing

  async #askPresence(room, request) {
    if (room.peer) return;
    room.people.asked();
    try {
      room.people.answered(await request("presence", { room: room.name }));
      this.#changed(room);
    } catch {
      return; // it is asked again with the next heartbeat
    }
  }

  #presenceCame(push) {
    const room = this.rooms.get(push.room);
    room?.people.moved(push);
    if (room) this.#changed(room);
  }

  #typingCame({ room: name, user, guest }) {
    const room = this.rooms.get(name);
    if (!room || user === this.me) return;
    room.typing.came(user, Date.now(), guest);
    this.#changed(room);
    setTimeout(() => this.#changed(room), TYPING_SHOWN_MS);
  }

  /** Tells the others, not more often than every 3 seconds. */
  isTyping() {
    const room = this.#current;
    const now = Date.now();
    if (room.people.large || (this.#typed.room === room && now < this.#typed.at + TYPING_EVERY_MS)) return;
    this.#typed = { room, at: now };
    this.#connection?.tell("typing", { room: room.name });
  }

  /** What is written next starts afresh: its first letter is told at once. */
  #typingEnded() {
    this.#typed = { room: null, at: 0 };
  }

  // Writing

  send(message) {
    this.#typingEnded();
    this.#sender.add(this.#current, { action: "sendmessage", message });
  }

  edit(target, message) {
    this.#typingEnded();
    this.#sender.add(this.#current, { action: "editmessage", target, message });
  }

  delete(target) {
    this.#sender.add(this.#current, { action: "deletemessage", target });
  }

  react(target, emoji, remove) {
    this.#sender.add(this.#current, { action: "react", target, emoji, remove });
  }

  retry(item) {
    this.#sender.retry(this.#current, item);
  }

  discard(item) {
    this.#current.discard(item);
    this.#changed(this.#current);
  }

  get unsent() {
    return [...this.rooms.values()].reduce((sum, room) => sum + room.unsent, 0);
  }

  // The rest

  #request = async (action, fields, patience) => {
    if (!this.#connection) throw new RequestError({ code: "disconnected", message: "There is no connection." });
    return this.#connection.request(action, fields, patience);
  };

  #changed(room) {
    this.#handlers.onChange(room, null);
  }

  /** A dead connection is on the status line already, and the next welcome tries again. */
  async #attempt(act) {
    try {
      await act();
    } catch (error) {
      if (error.code === "disconnected") return;
      if (error.code === undefined) console.error(error);
      this.#handlers.onComplaint(error.message);
    }
  }
}

function kickedFrom({ room, by, banned }) {
  const deed = banned ? "banned you from" : "removed you from";
  return by ? `${by} ${deed} ${room}.` : `You were ${banned ? "banned" : "removed"} from ${room}.`;
}
