/**
 * A room as the page has it: its log, what is on its way to it, its people, what is unread.
 *
 * No DOM and no network in here.
 */

import { People, Typing } from "./people.js";
import { Timeline } from "./timeline.js";

const DIRECT = "dm:";

/** @typedef {{action: string, cid: string, user: string, at: string, message?: string, target?: number,
 *   emoji?: string, remove?: boolean, state: "sending"|"sent"|"failed", reason?: string, tried?: string,
 *   losses?: number, seq?: number, notBefore?: number}} Item
 * One request that makes an entry. `tried` is the name under which it was last sent: the server tells
 * resends by user and cid. Before `notBefore` (in ms) the server does not want it. An item that is "sent" waits for its entry to come (L4). */

export const directRoom = (one, other) => DIRECT + [one, other].sort().join(":");

/** The other person of a direct room, or null for any other room. */
export function peerOf(name, me) {
  if (!name.startsWith(DIRECT)) return null;
  const people = name.slice(DIRECT.length).split(":");
  if (people.length !== 2 || !people.includes(me)) return null;
  return people[0] === me ? people[1] : people[0];
}

export class Room {
  timeline = new Timeline();
  people = new People();
  typing = new Typing();
  /** @type {Item[]} in the order in which they were written */
  outbox = [];
  unread = 0;
  /** Entries up to here are in `unread`. */
  counted = 0;
  /** The person's read marker, as far as it is known. */
  marker = 0;
  /** Whether older messages are being read, and when to try again by itself after a failure. */
  loading = false;
  olderAt = 0;
  /** The first entry after the log had to be started over, or null. */
  overAt = null;
  /** "public", "private" or "direct", and what the person is there, once the server has said so. */
  visibility = null;
  role = null;
  /** @type {Map<number, string>} the cid of own messages sent from this page, by seq */
  #local = new Map();

  /** @param {string | null} peer the other person of a direct room */
  constructor(name, peer = null) {
    this.name = name;
    this.peer = peer;
  }

  get title() {
    return this.peer ?? this.name;
  }

  get unsent() {
    return this.outbox.filter(({ state }) => state !== "sent").length;
  }

  /** What to send now: messages in their order, other changes as soon as they may. */
  nextUnsent(now) {
    const pending = this.outbox.filter(({ state }) => state === "sending");
    const first = pending.find(isMessage);
    return pending.find((item) => (item === first || !isMessage(item)) && !(item.notBefore > now));
  }

  /** When the next message may be sent, where it has to wait for that; else null. */
  get waitsUntil() {
    return this.outbox.find((item) => item.state === "sending" && isMessage(item))?.notBefore ?? null;
  }

  /** Takes an entry; true when it is news. */
  receive(event, me) {
    this.#recognise(event, me);
    if (event.type === "message") this.typing.ended(event.user);
    const isNews = this.timeline.receive(event);
    for (const item of [...this.outbox]) if (item.state === "failed") this.#forgetIfDeleted(item);
    return isNews;
  }

  /** Begins with the newest entries; `seq` is the last one where there are none. */
  open(events, { seq, older }, me) {
    this.timeline.open(events, { seq, older });
    for (const event of events) this.#recognise(event, me);
  }

  startOver({ events, seq }, me) {
    this.#local.clear();
    this.open(events, { seq, older: true }, me);
    this.overAt = this.timeline.base + 1;
    for (const item of [...this.outbox]) if (item.state === "sent") this.discard(item);
  }

  /** Takes the ack of an item: unless it is a duplicate, it stands for the push of the entry (L4). */
  acknowledge(item, { seq, at, duplicate }) {
    this.timeline.exists(seq);
    if (duplicate) {
      item.seq = seq;
      item.state = "sent";
      if (this.timeline.has(seq) || !this.timeline.opened) this.#arrived(item, seq);
      return;
    }
    this.#arrived(item, seq);
    this.timeline.receive(entryOf(item, seq, at));
  }

  fail(item, reason) {
    Object.assign(item, { state: "failed", reason });
    this.#forgetIfDeleted(item);
  }

  discard(item) {
    const index = this.outbox.indexOf(item);
    if (index >= 0) this.outbox.splice(index, 1);
  }

  /** What to show, in order: messages in their present state with what is under way applied. */
  messages(me) {
    const written = this.outbox.filter(({ action }) => action === "sendmessage");
    return [...this.timeline.messages.map((message) => this.#shown(message, me)), ...written.map((item) => ({ ...unsent(item), waitsUntil: this.waitsUntil }))];
  }

  /** The own message that was written last and can be edited. */
  lastOwn(me) {
    return this.timeline.messages.findLast(({ user, deleted }) => user === me && !deleted);
  }

  /** There is nothing left that the change could be tried on again, or shown at. */
  #forgetIfDeleted(item) {
    if (this.timeline.find(item.target)?.deleted) this.discard(item);
  }

  /** What was sent from here may come as an entry before its ack does. */
  #recognise({ seq, cid, user }, me) {
    const mine = this.outbox.find((item) => item.seq === seq ||
      (cid !== undefined && item.cid === cid && (user === me || user === item.tried)));
    if (mine) this.#arrived(mine, seq);
  }

  #arrived(item, seq) {
    this.discard(item);
    if (item.action === "sendmessage") this.#local.set(seq, item.cid);
  }

  #shown(message, me) {
    const pending = this.outbox.filter(({ target }) => target === message.seq);
    const shown = { ...message, key: this.#local.get(message.seq) ?? message.seq, own: message.user === me, state: "sent", item: null };
    const reactions = new Map(message.reactions);
    for (const item of pending) {
      shown.item = item;
      if (item.state !== "failed") preview(shown, reactions, item, me);
    }
    shown.state = pending.find(({ state }) => state === "failed") ? "failed" : pending.some(quietly) ? "sending" : "sent";
    if (shown.state === "failed") shown.item = pending.find(({ state }) => state === "failed");
    shown.reactions = [...reactions].map(([emoji, users]) => ({ emoji, users, own: users.includes(me) }));
    return shown;
  }
}

/** A reaction shows at once: its progress needs no words. */
const quietly = ({ action, state }) => action !== "react" && state === "sending";

function preview(shown, reactions, { action, message, emoji, remove }, me) {
  if (action === "editmessage") shown.message = message;
  if (action !== "react") return;
  const others = (reactions.get(emoji) ?? []).filter((user) => user !== me);
  const users = remove ? others : [...others, me];
  if (users.length) reactions.set(emoji, users);
  else reactions.delete(emoji);
}

const isMessage = ({ action }) => action === "sendmessage";

const unsent = (item) => ({ ...item, key: item.cid, item, own: true, deleted: false, reactions: [], seq: undefined });

const TYPES = { sendmessage: "message", editmessage: "edit", deletemessage: "delete", react: "reaction" };

function entryOf({ action, cid, user, guest, tried = user, target, message, emoji, remove = false }, seq, at) {
  return { type: TYPES[action], seq, user: tried, guest, at, cid, target, message, emoji, removed: remove };
}
