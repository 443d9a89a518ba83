/**
 * The log of the room on show, and where in it the person is reading.
 */

import { $, button, element, names, plural, reconcile, setText } from "./dom.js";
import { MessageNode } from "./message.js";
import { Tools } from "./tools.js";

const GROUP_WITHIN_MS = 5 * 60_000;
const BOTTOM_SLACK_PX = 48;
const OLDER_WITHIN_PX = 400;
const ANNOUNCED = 5;

const dayFormat = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

export class Log {
  #handlers;
  #shown = null;
  /** Of the shown room: key of a message -> MessageNode. */
  #messages = new Map();
  /** Of the shown room: key of a divider -> its node. */
  #dividers = new Map();
  /** @type {WeakMap<Node, MessageNode>} */
  #byNode = new WeakMap();
  #tools;
  #older;
  #stuck = true;
  /** The last entry that was there when the end was in sight. */
  #seen = 0;
  #me = "";

  /** @param handlers onOlder(asked), onSeen(), onReact(message, emoji), onEdit(message), onDelete(message), onRetry(item), onDiscard(item) */
  constructor(handlers) {
    this.#handlers = handlers;
    this.#older = button({ class: "quiet", text: "Load older messages" }, () => handlers.onOlder(true));
    this.#tools = new Tools($("messages"), { ...handlers, messageOf: (node) => this.#byNode.get(node)?.message });
    this.#wire();
  }

  /** Whether the end of the log is in sight. */
  get atEnd() {
    return this.#stuck;
  }

  /** Shows the room as it is now; `fresh` are messages of others that just came. */
  show(room, me, { connected, fresh = [] }) {
    if (room !== this.#shown) this.#switchTo(room);
    $("room-name").classList.toggle("direct", Boolean(room.peer));
    $("room-name").classList.toggle("private", room.visibility === "private");
    $("room-lock").hidden = room.visibility !== "private";
    this.#me = me;
    const anchor = this.#stuck ? null : this.#anchor();
    reconcile($("messages"), this.#rows(room, me, connected));
    this.#tools.refresh();
    if (this.#stuck) this.#toBottom();
    else if (anchor) this.#keep(anchor);
    for (const message of fresh) this.#announce(message);
    this.#showJump();
    this.typing(room);
    this.#wantOlder();
  }

  typing(room) {
    const users = room.typing.users(Date.now());
    setText($("typing"), users.length ? `${names(users.map((user) => told(user, room.typing.isGuest(user))))} ${users.length === 1 ? "is" : "are"} typing…` : "");
  }

  scrollToEnd() {
    this.#stuck = true;
    this.#toBottom();
    this.#showJump();
  }

  #switchTo(room) {
    this.#shown = room;
    this.#tools.hide();
    this.#messages.clear();
    this.#dividers.clear();
    this.#stuck = true;
    this.#seen = 0;
    setText($("room-name"), room.title);
    $("messages").replaceChildren();
    $("announcer").replaceChildren();
  }

  #rows(room, me, connected) {
    const rows = [this.#start(room)];
    let previous = null;
    const alive = new Set();
    for (const message of room.messages(me)) {
      alive.add(message.key);
      if (room.overAt !== null && message.seq >= room.overAt && !(previous?.seq >= room.overAt)) {
        rows.push(this.#divider("over", "Loaded afresh: this could not be picked up where it was.", "over"));
        previous = null;
      }
      if (!sameDay(previous, message) && (previous || !isToday(message.at))) rows.push(this.#divider(`day-${message.key}`, day(message.at), "day"));
      rows.push(this.#message(message, { continued: continues(previous, message), connected }));
      previous = message;
    }
    for (const key of [...this.#messages.keys()]) if (!alive.has(key)) this.#messages.delete(key);
    return rows;
  }

  #start(room) {
    const { timeline, loading } = room;
    const node = this.#divider("start", timeline.opened && !loading && timeline.older ? null : startText(room), "start");
    if (timeline.opened && !loading && timeline.older && node.firstChild.firstChild !== this.#older) node.firstChild.replaceChildren(this.#older);
    return node;
  }

  #divider(key, text, kind) {
    if (!this.#dividers.has(key)) this.#dividers.set(key, element("li", { class: `divider ${kind}` }, element("span")));
    const node = this.#dividers.get(key);
    if (text !== null) setText(node.firstChild, text);
    return node;
  }

  #message(message, look) {
    if (!this.#messages.has(message.key)) {
      const made = new MessageNode(this.#handlers, message.user);
      this.#messages.set(message.key, made);
      this.#byNode.set(made.node, made);
    }
    return this.#messages.get(message.key).update(message, look);
  }

  /** A screen reader is told what others say now, and not what is loaded or changed. */
  #announce({ user, guest, message }) {
    $("announcer").append(element("p", { text: `${told(user, guest)}: ${message}` }));
    while ($("announcer").children.length > ANNOUNCED) $("announcer").firstChild.remove();
  }

  /** The first message in sight, and where it is. */
  #anchor() {
    const { top } = $("scroller").getBoundingClientRect();
    const node = [...$("messages").querySelectorAll(".message")].find((row) => row.getBoundingClientRect().bottom > top);
    return node && { node, top: node.getBoundingClientRect().top };
  }

  #keep({ node, top }) {
    if (node.isConnected) $("scroller").scrollTop += node.getBoundingClientRect().top - top;
  }

  #wire() {
    const scroller = $("scroller");
    scroller.addEventListener("scroll", () => {
      const wasAtEnd = this.#stuck;
      this.#stuck = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < BOTTOM_SLACK_PX;
      this.#showJump();
      this.#wantOlder();
      if (this.#stuck && !wasAtEnd) this.#handlers.onSeen();
    }, { passive: true });
    // The keyboard of a phone or a growing composer must not push the last message out of sight.
    new ResizeObserver(() => this.#stuck && this.#toBottom()).observe(scroller);
    $("to-bottom").addEventListener("click", () => {
      this.scrollToEnd();
      this.#handlers.onSeen();
      $("text").focus();
    });
  }

  #wantOlder() {
    const near = $("scroller").scrollTop < OLDER_WITHIN_PX;
    if (near && this.#shown?.timeline.older && !this.#shown.loading) this.#handlers.onOlder(false);
  }

  #toBottom() {
    $("scroller").scrollTop = $("scroller").scrollHeight;
  }

  #showJump() {
    if (!this.#shown) return;
    const { timeline } = this.#shown;
    if (this.#stuck) this.#seen = timeline.last;
    const unseen = timeline.countAfter(this.#seen, this.#me) ?? 0;
    $("to-bottom").hidden = unseen === 0;
    setText($("to-bottom"), `${plural(unseen, "new message")} ↓`);
  }
}

const told = (user, guest) => (guest ? `${user} (guest)` : user);

function startText({ timeline, loading, name, peer }) {
  if (!timeline.opened || loading) return "Loading messages…";
  if (timeline.base > 0) return "Older messages are no longer kept.";
  return peer ? `This is the beginning of your messages with ${peer}.` : `This is the beginning of ${name}.`;
}

function continues(previous, message) {
  return Boolean(previous) && previous.user === message.user && previous.guest === message.guest && previous.own === message.own &&
    new Date(message.at) - new Date(previous.at) < GROUP_WITHIN_MS && sameDay(previous, message);
}

function sameDay(one, other) {
  return Boolean(one) && new Date(one.at).toDateString() === new Date(other.at).toDateString();
}

function day(iso) {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? "" : dayFormat.format(at);
}

const isToday = (at) => new Date(at).toDateString() === new Date().toDateString();
