/**
 * The server's HTTP routes: who one is, and tickets to connect with.
 *
 * Tokens travel in headers and bodies only: an address ends up in logs and histories.
 */

const TIMEOUT_MS = 15_000;

/** An answer that is no success, or none at all (status 0). */
export class Refusal extends Error {
  constructor({ status = 0, message = "The server cannot be reached.", retryAfterMs } = {}) {
    super(message);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Each resolves to the fields of the answer, or rejects with a Refusal. */
export const server = {
  config: () => ask("config", { method: "GET" }),
  register: (username, password) => post("register", { username, password }),
  login: (username, password) => post("login", { username, password }),
  ticket: (token) => post("ticket", undefined, token),
  renew: (token) => post("token", undefined, token),
  logout: (token) => post("logout", undefined, token),
  changePassword: (token, password, newPassword) => post("password", { password, new_password: newPassword }, token),
};

function post(path, body, token) {
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  return ask(path, { method: "POST", headers, body: body && JSON.stringify(body) });
}

async function ask(path, options) {
  const response = await reach(new URL(path, document.baseURI), options);
  const answer = await response.json().catch(() => null);
  if (response.ok && answer) return answer;
  throw refusal(response, answer ?? {});
}

async function reach(url, options) {
  try {
    return await fetch(url, { ...options, cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch {
    throw new Refusal();
  }
}

/** API Gateway's own errors are written differently. */
function refusal({ status, headers }, { Message, message = Message, retry_after_ms: retryAfterMs }) {
  const seconds = Number(headers.get("Retry-After") ?? NaN);
  const wait = retryAfterMs ?? (Number.isFinite(seconds) ? seconds * 1000 : undefined);
  return new Refusal({ status, message: message ?? `The server answered with status ${status}.`, retryAfterMs: wait });
}
