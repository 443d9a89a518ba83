/**
 * The card before the chat: who are you, and how do you prove it?
 */

import { $, button, reconcile, setText } from "./dom.js";
import { userNamed, userProblem } from "./names.js";

const SHORTEST_PASSWORD = 8;
const LONGEST_PASSWORD = 256;

const MODES = {
  guest: { tab: "Guest", name: "Your name", autocomplete: "nickname", go: "Enter the chat",
    hint: "Up to 32 letters a to z, digits, dots, dashes or underscores." },
  login: { tab: "Log in", name: "User name", autocomplete: "username", password: "current-password", go: "Log in" },
  register: { tab: "Create account", name: "User name", autocomplete: "username", password: "new-password", go: "Create account",
    hint: "Up to 32 letters a to z, digits, dots, dashes or underscores. Everyone sees it." },
  token: { tab: "Organisation", go: "Continue" },
};

export class Gate {
  #handlers;
  #mode = null;
  #modes = new Map();
  #waitTimer = null;

  /**
   * @param config guests, registration, external: which ways in there are.
   * @param handlers onEnter(mode, {name, password, token}): resolves when the person is in, rejects
   *   with a Refusal.
   */
  constructor({ guests, registration, external }, handlers) {
    this.#handlers = handlers;
    const modes = [guests && "guest", "login", registration && "register", external && "token"].filter(Boolean);
    for (const mode of modes) this.#modes.set(mode, button({ text: MODES[mode].tab, "aria-pressed": "false" }, () => this.#choose(mode, true)));
    reconcile($("entry-modes"), modes.length > 1 ? [...this.#modes.values()] : []);
    $("entry-modes").hidden = modes.length === 1;
    this.#wire();
  }

  /** `notice` says why the card is there again. */
  show({ name = "", mode, notice = "" } = {}) {
    $("chat").hidden = true;
    $("gate").hidden = false;
    $("entry-form").hidden = false;
    $("name").value = name;
    this.#sayNotice(notice);
    this.#choose(this.#modes.has(mode) ? mode : this.#mode ?? this.#modes.keys().next().value);
    this.#firstField.select();
  }

  hide() {
    $("gate").hidden = true;
    for (const id of ["password", "token"]) $(id).value = "";
    this.#reveal(false);
    clearInterval(this.#waitTimer);
  }

  get #firstField() {
    if (this.#mode === "token") return $("token");
    return this.#mode !== "guest" && $("name").value ? $("password") : $("name");
  }

  #choose(mode, clicked = false) {
    const { name, hint = "", autocomplete, password } = MODES[mode];
    this.#mode = mode;
    for (const [other, tab] of this.#modes) tab.setAttribute("aria-pressed", String(other === mode));
    $("name-field").hidden = mode === "token";
    $("password-field").hidden = !password;
    $("token-field").hidden = mode !== "token";
    setText($("name-label"), name ?? "");
    setText($("name-hint"), hint);
    $("name").autocomplete = autocomplete ?? "off";
    $("password").autocomplete = password ?? "off";
    setText($("password-hint"), mode === "register" ? `At least ${SHORTEST_PASSWORD} characters; a few words are good.` : "");
    if (clicked) this.#sayNotice("");
    this.#clear();
    this.#ready();
    this.#firstField.focus();
  }

  #wire() {
    $("entry-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    for (const id of ["name", "password", "token"]) $(id).addEventListener("input", () => this.#say(id, ""));
    $("show-password").addEventListener("click", () => this.#reveal($("password").type === "password"));
  }

  #reveal(visible) {
    $("password").type = visible ? "text" : "password";
    $("show-password").setAttribute("aria-pressed", String(visible));
  }

  async #submit() {
    if ($("enter").disabled) return;
    const mode = this.#mode;
    const entry = { name: userNamed($("name").value), password: $("password").value, token: $("token").value.trim() };
    this.#clear();
    const [field, problem] = problemWith(mode, entry) ?? [];
    if (field) {
      this.#complain(field, problem);
      return;
    }
    $("enter").disabled = true;
    try {
      await this.#handlers.onEnter(mode, entry);
      this.#ready();
    } catch (error) {
      this.#ready();
      this.#refused(error);
    }
  }

  #refused({ status, message, retryAfterMs }) {
    if (status === 429 || status === 503) this.#wait(retryAfterMs ?? 1_000);
    const field = this.#mode === "token" ? "token" : status === 401 || /password/.test(message) ? "password" : "name";
    if (status === 401 && this.#mode === "login") this.#complain("password", "User name or password is wrong.");
    else if (status === 401 || (status >= 400 && status < 404) || status === 409) this.#complain(field, sentence(message));
    else this.#sayNotice(sentence(message), true);
  }

  /** The button counts down; the reason was said once, and is not said again every second. */
  #wait(ms) {
    const until = Date.now() + ms;
    const tick = () => {
      const left = Math.ceil((until - Date.now()) / 1000);
      if (left <= 0) this.#ready();
      else setText($("enter"), `Wait ${left} s`);
    };
    $("enter").disabled = true;
    this.#waitTimer = setInterval(tick, 500);
    tick();
  }

  #ready() {
    clearInterval(this.#waitTimer);
    $("enter").disabled = false;
    setText($("enter"), MODES[this.#mode].go);
  }

  #complain(field, problem) {
    this.#say(field, problem);
    $(field).focus();
  }

  #clear() {
    for (const id of ["name", "password", "token"]) this.#say(id, "");
  }

  #say(id, problem) {
    setText($(`${id}-error`), problem);
    $(id).setAttribute("aria-invalid", String(Boolean(problem)));
  }

  #sayNotice(text, bad = false) {
    $("gate-problem").hidden = !text;
    $("gate-problem").classList.toggle("bad", bad);
    setText($("gate-problem"), text);
  }
}

/** The field and what is wrong with it, or null. */
function problemWith(mode, { name, password, token }) {
  if (mode === "token") return token ? null : ["token", "Please paste the token."];
  const problem = userProblem(name);
  if (problem) return ["name", problem];
  if (mode === "guest") return null;
  const length = [...password].length;
  if (!password) return ["password", "Please type the password."];
  if (mode === "register" && length < SHORTEST_PASSWORD) return ["password", `Please use at least ${SHORTEST_PASSWORD} characters.`];
  return length > LONGEST_PASSWORD ? ["password", `Please use at most ${LONGEST_PASSWORD} characters.`] : null;
}

/** What the server says, as a sentence. */
export function sentence(message) {
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}
