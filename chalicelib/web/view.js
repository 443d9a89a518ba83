/**
 * Everything that touches the document. Text from people only ever becomes text nodes.
 */

const GROUP_WITHIN_MS = 5 * 60_000;
const BOTTOM_SLACK_PX = 48;
const COMPOSER_MAX_ROWS = 6;
const COUNT_FROM = 0.8;
const NOTICES_AT_ONCE = 3;
const HUES = 8;

const $ = (id) => document.getElementById(id);
const timeFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const dayFormat = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const momentFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const numberFormat = new Intl.NumberFormat();

/** What the server counts: code points, not UTF-16 units. */
export const characters = (text) => [...text].length;

export const plural = (count, noun) => `${numberFormat.format(count)} ${noun}${count === 1 ? "" : "s"}`;

function element(tag, { class: className, text, ...attributes } = {}, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export class View {
  #handlers;
  #shown = null;
  /** Of the shown room: entry or key of a divider -> its node. */
  #nodes = new Map();
  /** @type {WeakMap<object, HTMLLIElement>} */
  #roomNodes = new WeakMap();
  #stuck = true;
  #unseen = 0;
  #limit = Infinity;
  #narrow = window.matchMedia("(max-width: 47.99em)");

  /**
   * @param handlers onName(text), onRename(), onJoin(text), onLeave(name), onSelect(name),
   *   onSend(text), onRetry(entry), onDiscard(entry), onRetryNow(); onName, onJoin and onSend
   *   return what is wrong, or nothing.
   */
  constructor(handlers) {
    this.#handlers = handlers;
    this.#wireGate();
    this.#wireSide();
    this.#wireLog();
    this.#wireComposer();
    $("retry-now").addEventListener("click", handlers.onRetryNow);
  }

  // The gate: who are you?

  showGate(name) {
    this.#toggleSide(false);
    $("chat").hidden = true;
    $("gate").hidden = false;
    $("name-form").hidden = false;
    $("name").value = name;
    $("name").focus();
    $("name").select();
  }

  /** In place of the page, when there is nothing to connect to. */
  static problem(text) {
    $("gate-problem").hidden = false;
    $("gate-problem").textContent = text;
  }

  showChat() {
    $("gate").hidden = true;
    $("chat").hidden = false;
    this.#fitComposer();
    this.#focusComposer();
  }

  #wireGate() {
    this.#wireForm("name-form", "name", this.#handlers.onName);
  }

  /** One field, one button: says what is wrong beside the field, and stops saying so on input. */
  #wireForm(formId, fieldId, submit) {
    const field = $(fieldId);
    const error = $(fieldId === "name" ? "name-error" : "join-error");
    const say = (problem) => {
      error.textContent = problem ?? "";
      field.setAttribute("aria-invalid", String(Boolean(problem)));
    };
    $(formId).addEventListener("submit", (event) => {
      event.preventDefault();
      const problem = submit(field.value);
      say(problem);
      if (problem) field.focus();
    });
    field.addEventListener("input", () => say(null));
  }

  // The bar and the side

  status({ text, phase, retry }) {
    $("status").dataset.phase = phase;
    if ($("status-text").textContent !== text) $("status-text").textContent = text;
    $("retry-now").hidden = !retry;
  }

  me(name) {
    $("me").textContent = name;
  }

  rooms(rooms, current, lobby) {
    reconcile($("rooms"), rooms.map((room) => this.#roomItem(room, room === current, room.name !== lobby && rooms.length > 1)));
    const total = rooms.reduce((sum, room) => sum + room.unread, 0);
    setBadge($("menu-unread"), total - current.unread);
    document.title = `${total ? `(${total}) ` : ""}${current.name} - DynamoWave Chat`;
  }

  /** The same node for the same room: a click or the focus must survive an update. */
  #roomItem(room, isCurrent, leavable) {
    if (!this.#roomNodes.has(room)) this.#roomNodes.set(room, this.#newRoomItem(room));
    const item = this.#roomNodes.get(room);
    const [select, leave] = item.children;
    if (isCurrent) select.setAttribute("aria-current", "true");
    else select.removeAttribute("aria-current");
    setBadge(select.lastChild, room.unread);
    leave.hidden = !leavable;
    return item;
  }

  #newRoomItem({ name }) {
    const select = element("button", { class: "room", type: "button" }, element("span", { class: "room-label", text: name }), element("span", { class: "badge" }));
    select.addEventListener("click", () => {
      this.#toggleSide(false);
      this.#handlers.onSelect(name);
      this.#focusComposer();
    });
    const leave = element("button", { class: "icon leave", type: "button", "aria-label": `Leave ${name}`, title: `Leave ${name}`, text: "×" });
    leave.addEventListener("click", () => {
      this.#handlers.onLeave(name);
      this.#focusComposer();
    });
    return element("li", {}, select, leave);
  }

  people(presence, me) {
    const users = presence?.users ?? [];
    const count = presence?.count ?? 0;
    $("online-count").textContent = presence ? `${numberFormat.format(count)} online` : "";
    $("people").replaceChildren(...users.map((user) => this.#person(user, user === me)));
    $("people-note").textContent = count > users.length ? `${numberFormat.format(count - users.length)} ${users.length ? "more" : "people: too many to list"}` : "";
  }

  #person(user, isMe) {
    const item = element("li", {}, avatar(user), element("span", { class: "person", text: user }));
    if (isMe) item.append(element("span", { class: "hint", text: "you" }));
    return item;
  }

  #wireSide() {
    this.#wireForm("join-form", "join-room", (text) => {
      const problem = this.#handlers.onJoin(text);
      if (!problem) {
        $("join-room").value = "";
        this.#toggleSide(false);
        this.#focusComposer();
      }
      return problem;
    });
    $("rename").addEventListener("click", this.#handlers.onRename);
    $("menu").addEventListener("click", () => this.#toggleSide(!this.#sideOpen));
    $("scrim").addEventListener("click", () => this.#toggleSide(false));
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.#toggleSide(false));
    this.#narrow.addEventListener("change", () => this.#toggleSide(false));
  }

  get #sideOpen() {
    return $("chat").classList.contains("side-open");
  }

  #toggleSide(open) {
    if (open === this.#sideOpen) return;
    $("chat").classList.toggle("side-open", open);
    $("menu").setAttribute("aria-expanded", String(open));
    $("conversation").inert = open;
    if (open) $("rooms").querySelector("button")?.focus();
    else $("menu").focus();
  }

  // Notices: what the server says outside of any message

  notice(text) {
    const last = $("notices").lastElementChild;
    if (last?.firstChild.textContent === text) return;
    const dismiss = element("button", { class: "icon", type: "button", "aria-label": "Dismiss", text: "×" });
    const item = element("p", { class: "notice" }, element("span", { text }), dismiss);
    dismiss.addEventListener("click", () => item.remove());
    $("notices").append(item);
    while ($("notices").children.length > NOTICES_AT_ONCE) $("notices").firstElementChild.remove();
  }

  clearNotices() {
    $("notices").replaceChildren();
  }

  // The log

  /** Shows the room as it is now. `fresh` counts the messages of others that just came. */
  log(room, { connected, fresh = 0 }) {
    if (room !== this.#shown) this.#switchTo(room);
    const rows = this.#rows(room, connected);
    reconcile($("messages"), rows);
    if (this.#stuck) this.#toBottom();
    else this.#unseen += fresh;
    this.#showJump();
  }

  scrollToEnd() {
    this.#stuck = true;
    this.#toBottom();
    this.#showJump();
  }

  #switchTo(room) {
    this.#shown = room;
    this.#nodes.clear();
    this.#stuck = true;
    this.#unseen = 0;
    $("room-name").textContent = room.name;
    $("messages").replaceChildren();
    // A screen reader announces what comes, not the whole room on every switch.
    $("scroller").setAttribute("aria-live", "off");
    setTimeout(() => $("scroller").setAttribute("aria-live", "polite"), 500);
  }

  #rows(room, connected) {
    const start = room.trimmed
      ? "Older messages are no longer kept on this page."
      : room.fromTheBeginning
        ? `This is the beginning of ${room.name}.`
        : "You came in here. What was said before is not shown yet.";
    const rows = [this.#divider("start", start, "start")];
    let previous = null;
    for (const item of room.timeline()) {
      if (item.missed) rows.push(this.#divider(item.key, `You missed ${plural(item.missed, "message")} here.`, "missed"));
      else if (item.startedOver) rows.push(this.#divider(item.key, "The server's log of this room started over.", "missed"));
      else {
        if (!sameDay(previous, item) && (previous || !isToday(item.at))) rows.push(this.#divider(`day-${item.cid ?? item.seq}`, dayFormat.format(new Date(item.at)), "day"));
        rows.push(this.#message(item, continues(previous, item), connected));
      }
      previous = item.message === undefined ? null : item;
    }
    return rows;
  }

  #divider(key, text, kind) {
    const node = this.#node(key, () => element("li", { class: `divider ${kind}` }, element("span")));
    setText(node.firstChild, text);
    return node;
  }

  #message(entry, continued, connected) {
    const node = this.#node(entry, () => this.#newMessage(entry));
    node.classList.toggle("own", entry.own);
    node.classList.toggle("continued", continued);
    node.classList.toggle("failed", entry.state === "failed");
    setText(node.querySelector(".author"), entry.own ? `${entry.user} (you)` : entry.user);
    const time = node.querySelector("time");
    if (time.dateTime !== entry.at) {
      const at = new Date(entry.at);
      time.dateTime = entry.at;
      time.title = momentFormat.format(at);
      time.textContent = timeFormat.format(at);
    }
    this.#state(node.querySelector(".state"), entry, connected);
    return node;
  }

  #newMessage(entry) {
    return element("li", { class: "message" },
      avatar(entry.user),
      element("div", { class: "content" },
        element("p", { class: "head" }, element("span", { class: "author" }), " ", element("time")),
        element("p", { class: "body", dir: "auto", text: entry.message }),
        element("p", { class: "state" })));
  }

  #state(node, entry, connected) {
    const text = stateText(entry, connected);
    if (node.dataset.text === text) return;
    node.dataset.text = text;
    node.replaceChildren(text);
    if (entry.state !== "failed") return;
    const retry = element("button", { class: "quiet", type: "button", text: "Retry" });
    retry.addEventListener("click", () => this.#handlers.onRetry(entry));
    const discard = element("button", { class: "quiet", type: "button", text: "Discard" });
    discard.addEventListener("click", () => this.#handlers.onDiscard(entry));
    node.append(" ", retry, " ", discard);
  }

  #node(key, make) {
    if (!this.#nodes.has(key)) this.#nodes.set(key, make());
    return this.#nodes.get(key);
  }

  #wireLog() {
    const scroller = $("scroller");
    scroller.addEventListener("scroll", () => {
      this.#stuck = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < BOTTOM_SLACK_PX;
      this.#showJump();
    }, { passive: true });
    // The keyboard of a phone or a growing composer must not push the last message out of sight.
    new ResizeObserver(() => this.#stuck && this.#toBottom()).observe(scroller);
    $("to-bottom").addEventListener("click", () => {
      this.scrollToEnd();
      $("text").focus();
    });
  }

  #toBottom() {
    $("scroller").scrollTop = $("scroller").scrollHeight;
  }

  #showJump() {
    if (this.#stuck) this.#unseen = 0;
    $("to-bottom").hidden = this.#unseen === 0;
    setText($("to-bottom"), `${plural(this.#unseen, "new message")} ↓`);
  }

  // The composer

  limit(limit) {
    this.#limit = limit;
  }

  #wireComposer() {
    const text = $("text");
    text.addEventListener("keydown", (event) => {
      // Enter also ends the composition of Japanese or Chinese text: that one is not ours.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      $("composer").requestSubmit();
    });
    text.addEventListener("input", () => this.#composed(null));
    $("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      const problem = this.#handlers.onSend(text.value);
      if (!problem) text.value = "";
      this.#composed(problem);
      text.focus();
    });
  }

  #composed(problem) {
    const count = characters($("text").value);
    const near = count >= this.#limit * COUNT_FROM;
    setText($("composer-count"), near ? `${numberFormat.format(count)} / ${numberFormat.format(this.#limit)}` : "");
    $("composer-count").classList.toggle("over", count > this.#limit);
    setText($("composer-error"), problem ?? "");
    $("text").setAttribute("aria-invalid", String(Boolean(problem) || count > this.#limit));
    this.#fitComposer();
  }

  /** Not on a touch screen, where it would raise the keyboard over what there is to read. */
  #focusComposer() {
    if (window.matchMedia("(pointer: fine)").matches) $("text").focus();
  }

  /** Grows with the text; by `rows`, because a style attribute would need a laxer policy. */
  #fitComposer() {
    const text = $("text");
    text.rows = 1;
    while (text.rows < COMPOSER_MAX_ROWS && text.scrollHeight > text.clientHeight) text.rows++;
  }
}

function avatar(user) {
  return element("span", { class: `avatar hue-${hue(user)}`, "aria-hidden": "true", text: user.slice(0, 1) });
}

function hue(user) {
  let hash = 0;
  for (const letter of user) hash = (hash * 31 + letter.codePointAt(0)) >>> 0;
  return hash % HUES;
}

function setBadge(node, count) {
  node.hidden = count === 0;
  if (node.dataset.count === String(count)) return;
  node.dataset.count = count;
  node.replaceChildren(count > 99 ? "99+" : String(count), element("span", { class: "visually-hidden", text: " unread" }));
}

function stateText({ state, reason }, connected) {
  if (state === "failed") return `Not sent: ${reason}`;
  if (state === "sending") return connected ? "Sending…" : "Waiting for the connection…";
  return "";
}

function continues(previous, item) {
  return Boolean(previous) && previous.user === item.user && previous.own === item.own &&
    new Date(item.at) - new Date(previous.at) < GROUP_WITHIN_MS && sameDay(previous, item);
}

function sameDay(one, other) {
  return Boolean(one) && new Date(one.at).toDateString() === new Date(other.at).toDateString();
}

const isToday = (at) => new Date(at).toDateString() === new Date().toDateString();

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Brings the children of `parent` in line with `nodes`, moving as little as possible. */
function reconcile(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  nodes.forEach((node, index) => {
    if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] ?? null);
  });
}
