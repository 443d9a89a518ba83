/**
 * Questions of more than yes or no: a dialog with a few fields.
 */

import { button, element, setText } from "./dom.js";

let count = 0;

/**
 * Asks until the answer is taken or given up.
 *
 * @param {{title: string, hint?: string, yes: string, danger?: boolean, fields: object[]}} question
 *   each field: name, label, and optionally kind ("text", "password", "check", "choice"), value,
 *   options ([value, label] of a choice), suggestions, and attributes of the input.
 * @param submit takes the values by name; rejects or resolves with what is wrong, or resolves to nothing.
 */
export function ask({ title, hint, yes, danger = false, fields }, submit) {
  const id = `ask-${++count}`;
  const inputs = new Map(fields.map((field) => [field.name, inputOf(field, `${id}-${field.name}`)]));
  const problem = element("p", { class: "field-error", role: "alert", id: `${id}-problem` });
  const go = element("button", { type: "submit", class: danger ? "danger" : "primary", text: yes });
  const form = element("form", { class: "ask", novalidate: "" },
    element("h2", { id: `${id}-title`, text: title }),
    ...(hint ? [element("p", { class: "hint", text: hint })] : []),
    ...fields.map((field) => labelled(field, inputs.get(field.name))),
    problem,
    element("div", { class: "confirm-buttons" }, button({ text: "Cancel" }, () => dialog.close()), go));
  const dialog = element("dialog", { class: "confirm", "aria-labelledby": `${id}-title` }, form);
  form.addEventListener("input", () => setText(problem, ""));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (go.disabled) return;
    go.disabled = true;
    const wrong = await attempt(() => submit(valuesOf(inputs)));
    go.disabled = false;
    setText(problem, wrong ?? "");
    if (!wrong) dialog.close();
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  inputs.values().next().value?.focus();
}

async function attempt(act) {
  try {
    return await act();
  } catch (error) {
    return error.message;
  }
}

function inputOf({ name, kind = "text", value = "", options = [], suggestions = [], attributes = {} }, id) {
  if (kind === "choice") {
    const choice = element("select", { id, name }, ...options.map(([option, label]) => element("option", { value: option, text: label })));
    choice.value = value;
    return choice;
  }
  const input = element("input", { id, name, type: { check: "checkbox" }[kind] ?? kind, ...attributes });
  if (kind === "check") input.checked = Boolean(value);
  else input.value = value;
  if (suggestions.length) {
    input.setAttribute("list", `${id}-list`);
    input.suggestions = element("datalist", { id: `${id}-list` }, ...suggestions.map((option) => element("option", { value: option })));
  }
  return input;
}

function labelled({ label, kind, hint }, input) {
  const name = element("label", { for: input.id, text: label });
  if (kind === "check") return element("p", { class: "check" }, input, name);
  return element("div", { class: "field" }, name, input, ...(input.suggestions ? [input.suggestions] : []),
    ...(hint ? [element("p", { class: "hint", text: hint })] : []));
}

function valuesOf(inputs) {
  return Object.fromEntries([...inputs].map(([name, input]) => [name, input.type === "checkbox" ? input.checked : input.value]));
}
