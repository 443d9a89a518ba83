/**
 * Small things that all parts of the view use. Text from people only ever becomes text nodes.
 */

const HUES = 8;

export const $ = (id) => document.getElementById(id);
export const numberFormat = new Intl.NumberFormat();

/** What the server counts: code points, not UTF-16 units. */
export const characters = (text) => [...text].length;

export const plural = (count, noun) => `${numberFormat.format(count)} ${noun}${count === 1 ? "" : "s"}`;

export function element(tag, { class: className, text, ...attributes } = {}, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** A button with a listener; `attributes` as for element(). */
export function button(attributes, onClick, ...children) {
  const node = element("button", { type: "button", ...attributes }, ...children);
  node.addEventListener("click", onClick);
  return node;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setBadge(node, count) {
  node.hidden = count === 0;
  if (node.dataset.count === String(count)) return;
  node.dataset.count = count;
  node.replaceChildren(count > 99 ? "99+" : String(count), element("span", { class: "visually-hidden", text: " unread" }));
}

export function avatar(user) {
  return element("span", { class: `avatar hue-${hue(user)}`, "aria-hidden": "true", text: user.slice(0, 1) });
}

/** A line drawing of 20 by 20. */
export function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, value] of Object.entries({ viewBox: "0 0 20 20", width: "18", height: "18", "aria-hidden": "true" })) svg.setAttribute(name, value);
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
  shape.setAttribute("d", path);
  svg.append(shape);
  return svg;
}

/** Beside the name of somebody who has no account; hidden until it is known that they are a guest. */
export function guestMark(isGuest = false) {
  const mark = element("span", { class: "guest", text: "guest", title: "This person has no account" });
  mark.hidden = !isGuest;
  return mark;
}

function hue(user) {
  let hash = 0;
  for (const letter of user) hash = (hash * 31 + letter.codePointAt(0)) >>> 0;
  return hash % HUES;
}

/** "ada", "ada and bob", "ada, bob and 3 others". */
export function names(users, most = 3) {
  if (users.length <= 1) return users.join("");
  const told = users.length > most ? users.slice(0, most - 1) : users.slice(0, -1);
  const rest = users.length - told.length;
  return `${told.join(", ")} and ${rest === 1 ? users.at(-1) : `${numberFormat.format(rest)} others`}`;
}

/** Brings the children of `parent` in line with `nodes`, moving as little as possible. */
export function reconcile(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  nodes.forEach((node, index) => {
    if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] ?? null);
  });
}

/** Asks in a dialog of the page; resolves to whether the answer was yes. */
export function confirmed(question, yes) {
  const dialog = $("confirm");
  setText($("confirm-question"), question);
  setText($("confirm-yes"), yes);
  return new Promise((resolve) => {
    dialog.returnValue = "";
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    dialog.showModal();
  });
}

export function wireConfirm() {
  $("confirm-yes").addEventListener("click", () => $("confirm").close("yes"));
  $("confirm-no").addEventListener("click", () => $("confirm").close(""));
}
