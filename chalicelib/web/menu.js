/**
 * A button that opens a list of what can be done.
 */

import { button, reconcile } from "./dom.js";

export class Menu {
  #opener;
  #list;
  #items;

  /** @param items returns [text, act] of each entry, whenever the menu is opened. */
  constructor(opener, list, items) {
    this.#opener = opener;
    this.#list = list;
    this.#items = items;
    this.#wire();
  }

  close() {
    this.#toggle(false);
  }

  /** What can be done may have become more, or less, while it is open. */
  refresh() {
    if (!this.#isOpen) return;
    const items = this.#items();
    const shown = [...this.#list.children].map(({ textContent }) => textContent);
    if (shown.join("\n") !== items.map(([text]) => text).join("\n")) this.#fill(items);
  }

  get #isOpen() {
    return !this.#list.hidden;
  }

  #toggle(open) {
    if (open === this.#isOpen) return;
    this.#list.hidden = !open;
    this.#opener.setAttribute("aria-expanded", String(open));
    if (open) this.#fill(this.#items());
  }

  #fill(items) {
    reconcile(this.#list, items.map(([text, act]) => this.#entry(text, act)));
    this.#list.firstElementChild?.focus();
  }

  #entry(text, act) {
    return button({ class: "menu-entry", text }, () => {
      this.close();
      this.#opener.focus();
      act();
    });
  }

  #wire() {
    this.#opener.setAttribute("aria-expanded", "false");
    this.#opener.addEventListener("click", () => this.#toggle(!this.#isOpen));
    document.addEventListener("pointerdown", ({ target }) => {
      if (!this.#list.contains(target) && !this.#opener.contains(target)) this.close();
    });
    this.#list.addEventListener("keydown", (event) => this.#key(event));
    this.#list.addEventListener("focusout", ({ relatedTarget }) => {
      if (relatedTarget && !this.#list.contains(relatedTarget) && relatedTarget !== this.#opener) this.close();
    });
  }

  #key(event) {
    if (event.key === "Escape") {
      event.stopPropagation();
      this.close();
      this.#opener.focus();
    }
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const entries = [...this.#list.children];
    entries[(entries.indexOf(document.activeElement) + step + entries.length) % entries.length].focus();
  }
}
