/**
 * What can be done with a message: one toolbar, which goes to the message that is pointed at,
 * tapped, or reached with the arrow keys.
 */

import { button, element, icon } from "./dom.js";

const EMOJI = ["👍", "❤️", "😂", "🎉", "😮", "😢", "🙏", "👀"];

export class Tools {
  #handlers;
  #list;
  #bar;
  #picker;
  #buttons;
  #message = null;
  /** Where the mouse is: a message that is on its way has no tools yet, and gets them there. */
  #pointed = null;

  /** @param handlers messageOf(node), onReact(message, emoji), onEdit(message), onDelete(message) */
  constructor(list, handlers) {
    this.#list = list;
    this.#handlers = handlers;
    this.#picker = element("div", { class: "picker", role: "group", "aria-label": "Choose a reaction", hidden: "" },
      ...EMOJI.map((emoji) => button({ class: "icon", "aria-label": `React with ${emoji}`, text: emoji }, () => this.#react(emoji))));
    this.#buttons = {
      react: button({ class: "icon", "aria-label": "React", title: "React", "aria-expanded": "false" }, () => this.#togglePicker(), icon("M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14M7 11.5q3 3 6 0M7.5 8v.1M12.5 8v.1")),
      edit: button({ class: "icon", "aria-label": "Edit", title: "Edit" }, () => this.#act("onEdit"), icon("M4 16l1-4 8-8 3 3-8 8z")),
      delete: button({ class: "icon", "aria-label": "Delete", title: "Delete" }, () => this.#act("onDelete"), icon("M4 6h12M8 6V4h4v2M6 6l1 10h6l1-10")),
    };
    this.#bar = element("div", { class: "tools", role: "toolbar", "aria-label": "Actions" }, ...Object.values(this.#buttons), this.#picker);
    this.#wire();
  }

  /** Puts the toolbar to the message; without one, away. */
  show(node) {
    const message = node ? this.#handlers.messageOf(node) : null;
    if (!message || message.seq === undefined || message.deleted) {
      this.hide();
      return;
    }
    this.#message = message;
    this.#buttons.edit.hidden = this.#buttons.delete.hidden = !message.own;
    const content = node.querySelector(".content");
    if (this.#bar.parentNode === content) return;
    this.#closePicker();
    content.append(this.#bar);
  }

  hide() {
    this.#message = null;
    this.#closePicker();
    this.#bar.remove();
  }

  /** After an update: what the toolbar belongs to may be another text, or gone. */
  refresh() {
    if (this.#message) this.show(this.#bar.closest(".message"));
    else if (this.#pointed?.isConnected) this.show(this.#pointed);
  }

  #togglePicker() {
    const open = this.#picker.hidden;
    this.#picker.hidden = !open;
    this.#buttons.react.setAttribute("aria-expanded", String(open));
    if (!open) return;
    this.#picker.scrollIntoView({ block: "nearest" });
    this.#picker.firstChild.focus();
  }

  #closePicker() {
    this.#picker.hidden = true;
    this.#buttons.react.setAttribute("aria-expanded", "false");
  }

  #react(emoji) {
    const message = this.#message;
    this.#bar.closest(".message").focus();
    this.#closePicker();
    this.#handlers.onReact(message, emoji);
  }

  #act(handler) {
    const message = this.#message;
    this.#pointed = null;
    this.hide();
    this.#handlers[handler](message);
  }

  #wire() {
    const list = this.#list;
    const nodeAt = (event) => event.target.closest?.(".message");
    list.addEventListener("pointerover", (event) => {
      const isBusy = !this.#picker.hidden || this.#bar.contains(document.activeElement);
      if (event.pointerType !== "mouse") return;
      this.#pointed = nodeAt(event);
      if (!isBusy && this.#pointed) this.show(this.#pointed);
    });
    list.addEventListener("pointerleave", (event) => {
      const isBusy = !this.#picker.hidden || this.#bar.closest(".message")?.contains(document.activeElement);
      if (event.pointerType !== "mouse") return;
      this.#pointed = null;
      if (!isBusy) this.hide();
    });
    list.addEventListener("focusin", (event) => nodeAt(event) && this.show(nodeAt(event)));
    list.addEventListener("focusout", (event) => !list.contains(event.relatedTarget) && event.relatedTarget && this.hide());
    list.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.#bar.isConnected) return;
      event.stopPropagation();
      this.#pointed = null;
      if (this.#picker.hidden) this.hide();
      else {
        this.#closePicker();
        this.#buttons.react.focus();
      }
    });
    list.parentNode.addEventListener("keydown", (event) => this.#arrow(event));
  }

  /** Up and down go from message to message; up from the log itself begins with the last. */
  #arrow(event) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!step) return;
    const messages = [...this.#list.querySelectorAll(".message")];
    const at = messages.indexOf(document.activeElement.closest(".message"));
    const next = at < 0 ? (step < 0 ? messages.at(-1) : undefined) : messages[at + step];
    if (!next) return;
    event.preventDefault();
    next.focus();
  }
}
