/**
 * What this browser remembers for the page, in all of its tabs.
 */

const PREFIX = "dynamowave.";
/** Where storage is blocked or full, the page works and forgets when it is closed. */
const unkept = new Map();

export const store = {
  get(key) {
    return attempt(() => localStorage.getItem(PREFIX + key)) ?? unkept.get(key) ?? null;
  },

  set(key, value) {
    unkept.delete(key);
    if (attempt(() => localStorage.setItem(PREFIX + key, value) ?? true) === null) unkept.set(key, value);
  },

  remove(key) {
    unkept.delete(key);
    attempt(() => localStorage.removeItem(PREFIX + key));
  },

  /** Calls `act` when another tab has changed the value of a key. */
  watch(key, act) {
    window.addEventListener("storage", (event) => (event.key === PREFIX + key || event.key === null) && act());
  },
};

function attempt(act) {
  try {
    return act();
  } catch {
    return null;
  }
}
