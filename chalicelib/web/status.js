/**
 * The line that says how the connection is.
 */

export class Status {
  #state = { phase: "offline" };
  #everOnline = false;

  get everOnline() {
    return this.#everOnline;
  }

  /** Another person's connection begins. */
  begin() {
    this.#everOnline = false;
  }

  /** Takes what Connection tells: {phase, retryAt}. */
  changed(state) {
    this.#state = state;
    if (state.phase === "online") this.#everOnline = true;
  }

  get isWaiting() {
    return this.#state.phase === "waiting";
  }

  /** What to show of it. */
  get shown() {
    const { phase } = this.#state;
    const retry = this.isWaiting;
    return { phase: retry && !navigator.onLine ? "offline" : phase, text: this.#text, retry };
  }

  get #text() {
    const { phase, retryAt } = this.#state;
    if (phase === "online") return "Online";
    if (phase === "connecting") return this.#everOnline ? "Reconnecting…" : "Connecting…";
    if (phase === "offline") return "Offline";
    const wait = `${Math.max(1, Math.ceil((retryAt - Date.now()) / 1000))} s`;
    return navigator.onLine ? `Reconnecting in ${wait}` : `Offline, reconnecting in ${wait}`;
  }
}
