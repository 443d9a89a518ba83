/**
 * Everything that touches the document, from the gate to the composer, put together.
 */

import { Composer } from "./composer.js";
import { $, button, element, setText, wireConfirm } from "./dom.js";
import { Log } from "./log.js";
import { Side, wireForm } from "./side.js";

const NOTICES_AT_ONCE = 3;

export class View {
  #composer;
  #side;
  #log;

  /**
   * @param handlers those of Side, Log and Composer, and onName(text), which returns what is wrong, or
   *   nothing, and onRetryNow().
   */
  constructor(handlers) {
    this.#composer = new Composer(handlers);
    this.#side = new Side(handlers, () => this.#composer.focus());
    this.#log = new Log({ ...handlers, onEdit: (message) => this.#composer.edit(message) });
    wireForm("name-form", "name", "name-error", handlers.onName);
    wireConfirm();
    $("retry-now").addEventListener("click", handlers.onRetryNow);
  }

  // The gate: who are you?

  showGate(name) {
    this.#side.toggle(false);
    this.#composer.stopEditing();
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
    this.#composer.fit();
    this.#composer.focus();
  }

  // The chat

  limit(limit) {
    this.#composer.limit(limit);
  }

  me(name) {
    setText($("me"), name);
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

  notice(text) {
    const last = $("notices").lastElementChild;
    if (last?.firstChild.textContent === text) return;
    const item = element("p", { class: "notice" }, element("span", { text }),
      button({ class: "icon", "aria-label": "Dismiss", text: "×" }, () => item.remove()));
    $("notices").append(item);
    while ($("notices").children.length > NOTICES_AT_ONCE) $("notices").firstElementChild.remove();
  }

  clearNotices() {
    $("notices").replaceChildren();
  }
}
