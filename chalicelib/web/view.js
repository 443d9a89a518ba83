/**
 * The chat in the document, from the list of rooms to the composer, put together.
 */

import { Composer } from "./composer.js";
import { $, button, element, setText, wireConfirm } from "./dom.js";
import { Log } from "./log.js";
import { Menu } from "./menu.js";
import { Side } from "./side.js";

const NOTICES_AT_ONCE = 3;

export class View {
  #composer;
  #side;
  #log;
  #menus;

  /**
   * @param handlers those of Side, Log and Composer, and onRetryNow(); myMenu() and roomMenu() return
   *   entries for Menu.
   */
  constructor(handlers) {
    this.#composer = new Composer(handlers);
    this.#side = new Side(handlers, () => this.#composer.focus());
    this.#log = new Log({ ...handlers, onEdit: (message) => this.#composer.edit(message) });
    this.#menus = [
      new Menu($("me-menu"), $("me-entries"), handlers.myMenu),
      new Menu($("room-menu"), $("room-entries"), handlers.roomMenu),
    ];
    wireConfirm();
    $("retry-now").addEventListener("click", handlers.onRetryNow);
  }

  /** In place of the page, when there is nothing to connect to. */
  static problem(text) {
    $("gate-problem").hidden = false;
    $("gate-problem").classList.add("bad");
    $("gate-problem").textContent = text;
  }

  showChat() {
    $("chat").hidden = false;
    this.#composer.fit();
    this.#composer.focus();
  }

  /** Before the gate is shown again. */
  leave() {
    for (const menu of this.#menus) menu.close();
    this.#side.toggle(false);
    this.#composer.stopEditing();
    this.clearNotices();
  }

  limit(limit) {
    this.#composer.limit(limit);
  }

  me(name, guest) {
    setText($("me"), name);
    $("me-guest").hidden = !guest;
    $("new-room").hidden = guest;
  }

  /** The next message may be sent at that time, or null for now. */
  wait(until) {
    this.#composer.wait(until);
  }

  status({ text, phase, retry }) {
    $("status").dataset.phase = phase;
    setText($("status-text"), text);
    $("retry-now").hidden = !retry;
  }

  /** The list of rooms. */
  rooms(rooms, current, lobby) {
    this.#side.rooms(rooms, current, lobby);
  }

  /** The room on show, as it is now; see Log.show for `state`. */
  room(room, me, state) {
    $("room-menu").hidden = Boolean(room.peer);
    for (const menu of this.#menus) menu.refresh();
    this.#log.show(room, me, state);
    this.#side.people(room, me);
  }

  /** Whether the end of the log is in sight. */
  get atEnd() {
    return this.#log.atEnd;
  }

  scrollToEnd() {
    this.#log.scrollToEnd();
  }

  stopEditing() {
    this.#composer.stopEditing();
  }

  // Notices: what the server says outside of any message

  /** `kind` names what it is about, for clearNotices(). */
  notice(text, kind = "") {
    const last = $("notices").lastElementChild;
    if (last?.firstChild.textContent === text) return;
    const item = element("p", { class: "notice", "data-kind": kind }, element("span", { text }),
      button({ class: "icon", "aria-label": "Dismiss", text: "×" }, () => item.remove()));
    $("notices").append(item);
    while ($("notices").children.length > NOTICES_AT_ONCE) $("notices").firstElementChild.remove();
  }

  clearNotices(kind) {
    for (const item of [...$("notices").children]) if (kind === undefined || item.dataset.kind === kind) item.remove();
  }
}
