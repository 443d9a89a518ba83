/**
 * The side of the page: rooms, direct messages, people. On a phone it comes in over the conversation.
 */

import { $, avatar, button, element, guestMark, icon, numberFormat, reconcile, setBadge, setText } from "./dom.js";

const LOCK = "M5 9h10v8H5zM7 9V6a3 3 0 0 1 6 0v3";

export class Side {
  #handlers;
  #focusComposer;
  /** @type {WeakMap<object, HTMLLIElement>} */
  #roomNodes = new WeakMap();
  /** @type {Map<string, HTMLLIElement>} by name, whether it is oneself, and whether a guest */
  #personNodes = new Map();
  #narrow = window.matchMedia("(max-width: 47.99em)");

  /** @param handlers onJoin(text), onLeave(name), onSelect(name), onDirect(user), onNewRoom() */
  constructor(handlers, focusComposer) {
    this.#handlers = handlers;
    this.#focusComposer = focusComposer;
    this.#wire();
  }

  rooms(rooms, current, lobby) {
    const open = rooms.filter(({ peer }) => !peer);
    const direct = rooms.filter(({ peer }) => peer);
    const byTitle = (one, other) => one.title.localeCompare(other.title);
    reconcile($("rooms"), open.sort((one, other) => (other.name === lobby) - (one.name === lobby) || byTitle(one, other))
      .map((room) => this.#roomItem(room, room === current, room.name !== lobby && open.length > 1)));
    reconcile($("direct"), direct.sort(byTitle).map((room) => this.#roomItem(room, room === current, false)));
    $("direct-section").hidden = direct.length === 0;
    const total = rooms.reduce((sum, room) => sum + room.unread, 0);
    setBadge($("menu-unread"), total - current.unread);
    document.title = `${total ? `(${total}) ` : ""}${current.title} - DynamoWave Chat`;
  }

  /** The same node for the same room: a click or the focus must survive an update. */
  #roomItem(room, isCurrent, leavable) {
    if (!this.#roomNodes.has(room)) this.#roomNodes.set(room, this.#newRoomItem(room));
    const item = this.#roomNodes.get(room);
    const [select, leave] = item.children;
    select.querySelector(".lock").hidden = room.visibility !== "private";
    select.classList.toggle("private", room.visibility === "private");
    if (isCurrent) select.setAttribute("aria-current", "true");
    else select.removeAttribute("aria-current");
    setBadge(select.lastChild, room.unread);
    leave.hidden = !leavable;
    return item;
  }

  #newRoomItem({ name, peer, title }) {
    const select = button({ class: peer ? "room direct" : "room" }, () => this.#go(() => this.#handlers.onSelect(name)),
      ...(peer ? [avatar(peer)] : []), element("span", { class: "room-label", text: title }),
      element("span", { class: "lock" }, icon(LOCK), element("span", { class: "visually-hidden", text: " private" })), element("span", { class: "badge" }));
    const leave = button({ class: "icon leave", "aria-label": `Leave ${title}`, title: `Leave ${title}`, text: "×" }, () => {
      this.#handlers.onLeave(name);
      this.#focusComposer();
    });
    return element("li", {}, select, leave);
  }

  people(room, me) {
    const { users, count } = room.people;
    $("people-section").hidden = Boolean(room.peer);
    setText($("online-count"), count === null || room.peer ? "" : `${numberFormat.format(count)} online`);
    reconcile($("people"), users.map((user) => this.#person(user, user === me, room.people.isGuest(user))));
    setText($("people-note"), room.people.large ? `${numberFormat.format(count)} people: too many to list` : "");
  }

  #person(user, isMe, isGuest) {
    const key = `${user} ${isMe} ${isGuest}`;
    if (!this.#personNodes.has(key)) this.#personNodes.set(key, this.#newPerson(user, isMe, isGuest));
    return this.#personNodes.get(key);
  }

  #newPerson(user, isMe, isGuest) {
    const name = element("span", { class: "person", text: user });
    if (isMe) return element("li", { class: "self" }, avatar(user), name, guestMark(isGuest), element("span", { class: "hint", text: "you" }));
    const label = `Message ${user}`;
    return element("li", {}, button({ class: "person-button", "aria-label": label, title: label },
      () => this.#go(() => this.#handlers.onDirect(user)), avatar(user), name, guestMark(isGuest)));
  }

  #go(act) {
    this.toggle(false);
    act();
    this.#focusComposer();
  }

  #wire() {
    wireForm("join-form", "join-room", "join-error", (text) => {
      const problem = this.#handlers.onJoin(text);
      if (!problem) {
        $("join-room").value = "";
        this.toggle(false);
        this.#focusComposer();
      }
      return problem;
    });
    $("new-room").addEventListener("click", this.#handlers.onNewRoom);
    $("menu").addEventListener("click", () => this.toggle(!this.#isOpen));
    $("scrim").addEventListener("click", () => this.toggle(false));
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.toggle(false));
    this.#narrow.addEventListener("change", () => this.toggle(false));
  }

  get #isOpen() {
    return $("chat").classList.contains("side-open");
  }

  toggle(open) {
    if (open === this.#isOpen) return;
    $("chat").classList.toggle("side-open", open);
    $("menu").setAttribute("aria-expanded", String(open));
    $("conversation").inert = open;
    if (open) $("rooms").querySelector("button")?.focus();
    else $("menu").focus();
  }
}

/** One field, one button: says what is wrong beside the field, and stops saying so on input. */
function wireForm(formId, fieldId, errorId, submit) {
  const field = $(fieldId);
  const say = (problem) => {
    setText($(errorId), problem ?? "");
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
