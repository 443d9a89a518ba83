/**
 * Sends what makes entries: one request to a room at a time, because API Gateway may handle two
 * frames of one connection in either order (L8), and each until it is settled; no DOM in here.
 */

const LOSSES = 3;
const JITTER_MS = 250;

export class Sender {
  #deps;
  #busy = new Set();

  /** @param deps request(action, fields, patience), online(), me(), guest(), onChange(room) */
  constructor(deps) {
    this.#deps = deps;
  }

  add(room, fields) {
    room.outbox.push({ ...fields, cid: newCid(), user: this.#deps.me(), guest: this.#deps.guest(), at: new Date().toISOString(), state: "sending" });
    this.#deps.onChange(room);
    this.flush(room);
  }

  retry(room, item) {
    Object.assign(item, { state: "sending", tried: undefined, losses: 0, user: this.#deps.me() });
    this.#deps.onChange(room);
    this.flush(room);
  }

  async flush(room) {
    if (this.#busy.has(room)) return;
    this.#busy.add(room);
    for (let item; this.#deps.online() && (item = room.nextUnsent(Date.now())); ) {
      if (!(await this.#send(room, item))) break;
      this.#deps.onChange(room);
    }
    this.#busy.delete(room);
    this.#deps.onChange(room);
  }

  /** False when the connection was lost: what is left is sent after the next welcome. */
  async #send(room, item) {
    const me = this.#deps.me();
    if (item.tried && item.tried !== me) {
      room.fail(item, `it may have arrived under your former name, ${item.tried}.`);
      return true;
    }
    item.tried = me;
    try {
      room.acknowledge(item, await this.#deps.request(item.action, fieldsOf(room, item), { patient: false }));
    } catch (error) {
      if (error.code === "rate_limited" && error.retryAfterMs >= 0) {
        this.#postpone(room, item, error.retryAfterMs);
        return true;
      }
      const lost = error.code === "disconnected";
      // A message that ends every connection it is sent over must not do so for ever.
      item.losses = (item.losses ?? 0) + (lost ? 1 : 0);
      if (lost && item.losses < LOSSES) return this.#deps.online();
      room.fail(item, error.message);
    }
    return true;
  }

  /** It keeps its place: what was written after it is sent after it. */
  #postpone(room, item, ms) {
    const wait = ms + Math.random() * JITTER_MS;
    item.notBefore = Date.now() + wait;
    setTimeout(() => this.flush(room), wait + 1);
  }
}

/** A first direct message makes its room, so it names the person instead (D1). */
function fieldsOf(room, { action, cid, message, target, emoji, remove }) {
  const where = room.peer && action === "sendmessage" ? { to: room.peer } : { room: room.name };
  return { ...where, cid, message, target, emoji, remove: remove || undefined };
}

function newCid() {
  // randomUUID exists only on https and localhost; the page may be tried over a local network.
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
