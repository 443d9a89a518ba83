/**
 * Where messages are written and edited.
 */

import { $, characters, numberFormat, setText } from "./dom.js";

const MAX_ROWS = 6;
const COUNT_FROM = 0.8;

export class Composer {
  #handlers;
  #limit = Infinity;
  /** The message that is being edited, or null. */
  #edited = null;
  /** What was being written when the editing began. */
  #draft = "";

  /**
   * @param handlers onSend(text) and onEdited(seq, text) return what is wrong, or nothing; onTyping();
   *   onEditLast() returns the message to edit, if any.
   */
  constructor(handlers) {
    this.#handlers = handlers;
    this.#wire();
  }

  limit(limit) {
    this.#limit = limit;
  }

  /** Not on a touch screen, where it would raise the keyboard over what there is to read. */
  focus() {
    if (window.matchMedia("(pointer: fine)").matches) $("text").focus();
  }

  fit() {
    this.#fit();
  }

  /** Says how long what was written has to wait for its turn; an announcement every second is too much. */
  wait(until) {
    const left = Math.ceil((until - Date.now()) / 1000);
    setText($("composer-wait"), until && left > 1 ? `Slow mode: sent in ${numberFormat.format(left)} s` : "");
  }

  edit(message) {
    if (!this.#edited) this.#draft = $("text").value;
    this.#edited = message;
    $("editing").hidden = false;
    this.#write(message.message);
    $("text").focus();
  }

  /** Back to what was being written. */
  stopEditing() {
    if (!this.#edited) return;
    this.#edited = null;
    $("editing").hidden = true;
    this.#write(this.#draft);
  }

  #write(text) {
    $("text").value = text;
    this.#composed(null);
    $("text").setSelectionRange(text.length, text.length);
  }

  #wire() {
    const text = $("text");
    text.addEventListener("keydown", (event) => this.#keyPressed(event));
    text.addEventListener("input", () => {
      this.#composed(null);
      if (text.value) this.#handlers.onTyping();
    });
    $("stop-editing").addEventListener("click", () => {
      this.stopEditing();
      text.focus();
    });
    $("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  #keyPressed(event) {
    // Enter also ends the composition of Japanese or Chinese text: that one is not ours.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      $("composer").requestSubmit();
    } else if (event.key === "Escape" && this.#edited) {
      event.stopPropagation();
      this.stopEditing();
    } else if (event.key === "ArrowUp" && !$("text").value && !this.#edited) {
      const message = this.#handlers.onEditLast();
      if (!message) return;
      event.preventDefault();
      this.edit(message);
    }
  }

  #submit() {
    const text = $("text").value;
    const problem = this.#edited ? this.#handlers.onEdited(this.#edited.seq, text) : this.#handlers.onSend(text);
    if (problem) this.#composed(problem);
    else if (this.#edited) this.stopEditing();
    else this.#write("");
    $("text").focus();
  }

  #composed(problem) {
    const count = characters($("text").value);
    const near = count >= this.#limit * COUNT_FROM;
    setText($("composer-count"), near ? `${numberFormat.format(count)} / ${numberFormat.format(this.#limit)}` : "");
    $("composer-count").classList.toggle("over", count > this.#limit);
    setText($("composer-error"), problem ?? "");
    $("text").setAttribute("aria-invalid", String(Boolean(problem) || count > this.#limit));
    this.#fit();
  }

  /** Grows with the text; by `rows`, because a style attribute would need a laxer policy. */
  #fit() {
    const text = $("text");
    text.rows = 1;
    while (text.rows < MAX_ROWS && text.scrollHeight > text.clientHeight) text.rows++;
  }
}
