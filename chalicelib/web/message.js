/**
 * One message as it looks: its text, marks, reactions and state.
 */

import { avatar, button, element, guestMark, names, numberFormat, reconcile, setText } from "./dom.js";

const timeFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const momentFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

/** @param handlers onReact(message, emoji), onRetry(item), onDiscard(item) */
export class MessageNode {
  node;
  message;
  #handlers;
  #chips = new Map();

  constructor(handlers, user) {
    this.#handlers = handlers;
    // Focused by the arrow keys (see tools.js), not one by one with Tab.
    this.node = element("li", { class: "message", tabindex: "-1" },
      avatar(user),
      element("div", { class: "content" },
        element("p", { class: "head" }, element("span", { class: "author" }), " ", guestMark(), " ", element("time")),
        element("p", { class: "body", dir: "auto" }),
        element("div", { class: "reactions", role: "group", "aria-label": "Reactions" }),
        element("p", { class: "state" })));
  }

  update(message, { continued, connected }) {
    this.message = message;
    const { node } = this;
    node.classList.toggle("own", message.own);
    node.classList.toggle("continued", continued);
    node.classList.toggle("failed", message.state === "failed");
    node.classList.toggle("deleted", message.deleted);
    setText(node.querySelector(".author"), message.own ? `${message.user} (you)` : message.user);
    node.querySelector(".guest").hidden = !message.guest;
    this.#time(node.querySelector("time"), message.at);
    this.#body(node.querySelector(".body"), message);
    this.#reactions(node.querySelector(".reactions"), message);
    this.#state(node.querySelector(".state"), message, connected);
    return node;
  }

  #time(node, iso) {
    if (node.dateTime === iso) return;
    const at = new Date(iso);
    const known = !Number.isNaN(at.getTime());
    node.dateTime = iso;
    node.title = known ? momentFormat.format(at) : "";
    node.textContent = known ? timeFormat.format(at) : "";
  }

  #body(node, { message, deleted, edited, own, user }) {
    const text = deleted ? `${own ? "You" : user} deleted this message.` : message;
    const mark = edited && !deleted ? edited : "";
    if (node.dataset.mark === mark && node.firstChild?.data === text) return;
    node.dataset.mark = mark;
    node.replaceChildren(text);
    if (mark) node.append(" ", element("span", { class: "edited", text: "(edited)", title: `Edited ${moment(mark)}` }));
  }

  #reactions(node, message) {
    const shown = message.deleted ? [] : message.reactions;
    node.hidden = shown.length === 0;
    reconcile(node, shown.map((reaction) => this.#chip(reaction)));
  }

  #chip({ emoji, users, own }) {
    if (!this.#chips.has(emoji)) {
      this.#chips.set(emoji, button({ class: "chip" }, () => this.#handlers.onReact(this.message, emoji),
        element("span", { class: "emoji", text: emoji }), element("span", { class: "count" })));
    }
    const chip = this.#chips.get(emoji);
    const who = names(users, 12);
    setText(chip.lastChild, numberFormat.format(users.length));
    chip.title = who;
    chip.setAttribute("aria-pressed", String(own));
    chip.setAttribute("aria-label", `${emoji} from ${who}`);
    return chip;
  }

  #state(node, message, connected) {
    const { state, deleted } = message;
    const text = deleted ? "" : stateText(message, connected);
    if (node.dataset.text === text) return;
    node.dataset.text = text;
    node.replaceChildren(text);
    if (state === "failed") node.append(" ", button({ class: "quiet", text: "Retry" }, () => this.#handlers.onRetry(this.message.item)));
    if (state === "failed" || text === WAITING) {
      node.append(" ", button({ class: "quiet", text: "Discard" }, () => this.#handlers.onDiscard(this.message.item)));
    }
  }
}

const FAILURES = { sendmessage: "Not sent", editmessage: "Not edited", deletemessage: "Not deleted", react: "No reaction" };
const PROGRESS = { sendmessage: "Sending…", editmessage: "Saving…", deletemessage: "Deleting…" };

const WAITING = "Waiting for its turn…";

function stateText({ state, item, waitsUntil }, connected) {
  if (state === "failed") return `${FAILURES[item.action]}: ${item.reason}`;
  if (state === "sending" && connected && waitsUntil > Date.now()) return WAITING;
  if (state === "sending") return connected ? PROGRESS[item.action] ?? "" : "Waiting for the connection…";
  return "";
}

function moment(iso) {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? "" : momentFormat.format(at);
}
