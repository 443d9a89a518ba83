/**
 * Making a room, and ruling one: what is asked, by the role that the person has there.
 */

import { ask } from "./dialogs.js";
import { roomNamed, roomProblem, userNamed, userProblem } from "./names.js";

const PAUSES = [[0, "Off"], [5, "5 seconds"], [10, "10 seconds"], [30, "30 seconds"], [60, "1 minute"],
  [300, "5 minutes"], [900, "15 minutes"], [3_600, "1 hour"]];
const ROLES = [["member", "Member"], ["moderator", "Moderator"], ["owner", "Owner (hands the room over)"]];
const NAME_INPUT = { autocomplete: "off", autocapitalize: "none", spellcheck: "false" };

const pauses = (value) => ({ name: "seconds", label: "Slow mode: between two messages of one person", kind: "choice", value, options: PAUSES });

/** What can be done to people of a room: title, button, who may, and what more is asked. */
const DEEDS = {
  invite: { entry: "Invite somebody…", title: "Invite to", yes: "Invite" },
  kick: { entry: "Remove somebody…", title: "Remove from", yes: "Remove", danger: true, hint: "Into a public room they may come back." },
  ban: { entry: "Ban somebody…", title: "Ban from", yes: "Ban", danger: true, hint: "They are removed, and kept out." },
  unban: { entry: "Lift a ban…", title: "Lift a ban in", yes: "Lift the ban" },
  setrole: { entry: "Give a role…", title: "Give a role in", yes: "Give the role",
    fields: [{ name: "role", label: "Role", kind: "choice", value: "moderator", options: ROLES }] },
};
const OF_MODERATORS = ["invite", "kick", "ban", "unban"];

export class Governance {
  #request;
  #handlers;

  /**
   * @param request(action, fields) asks the server.
   * @param handlers onMade(name, visibility): a room was made; onDone(text): something to say; onLeave(room).
   */
  constructor(request, handlers) {
    this.#request = request;
    this.#handlers = handlers;
  }

  /** The entries of a room's menu, for Menu. */
  entries(room, { lobby, me }) {
    const deeds = deedsOf(room).map((action) => [DEEDS[action].entry, () => this.#askFor(room, action, me)]);
    const slow = isRuler(room) ? [["Slow mode…", () => this.#askPace(room)]] : [];
    const leave = room.name === lobby ? [] : [["Leave the room", () => this.#handlers.onLeave(room.name)]];
    return room.peer ? [] : [...deeds, ...slow, ...leave];
  }

  askForRoom() {
    const fields = [
      { name: "room", label: "Name", attributes: { ...NAME_INPUT, maxlength: "80" } },
      { name: "private", label: "Private: only who is invited sees it", kind: "check" },
      pauses(0),
    ];
    ask({ title: "New room", yes: "Create", fields }, async ({ room: text, private: isPrivate, seconds }) => {
      const room = roomNamed(text);
      const problem = roomProblem(room);
      if (problem) return problem;
      await this.#request("createroom", { room, private: isPrivate, slow_mode: Number(seconds) });
      this.#handlers.onMade(room, isPrivate ? "private" : "public");
      return null;
    });
  }

  #askFor(room, action, me) {
    const { title, yes, danger, hint, fields = [] } = DEEDS[action];
    const others = room.people.users.filter((user) => user !== me);
    const suggestions = ["invite", "unban"].includes(action) ? [] : others;
    const who = { name: "user", label: "User name", suggestions, attributes: { ...NAME_INPUT, maxlength: "40" } };
    ask({ title: `${title} ${room.name}`, yes, danger, hint, fields: [who, ...fields] }, async ({ user: text, ...more }) => {
      const user = userNamed(text);
      const problem = userProblem(user);
      if (problem) return problem;
      await this.#request(action, { room: room.name, user, ...more });
      this.#handlers.onDone(DONE[action](user, room.name, more));
      return null;
    });
  }

  #askPace(room) {
    ask({ title: `Slow mode in ${room.name}`, yes: "Set", fields: [pauses(room.pace ?? 0)] }, async ({ seconds }) => {
      await this.#request("slowmode", { room: room.name, seconds: Number(seconds) });
      room.pace = Number(seconds);
      this.#handlers.onDone(room.pace ? `Slow mode is on in ${room.name}.` : `Slow mode is off in ${room.name}.`);
      return null;
    });
  }
}

const DONE = {
  invite: (user, room) => `${user} is invited to ${room}.`,
  kick: (user, room) => `${user} is removed from ${room}.`,
  ban: (user, room) => `${user} is banned from ${room}.`,
  unban: (user, room) => `${user} is no longer banned from ${room}.`,
  setrole: (user, room, { role }) => `${user} is ${role} of ${room} now.`,
};

const isRuler = ({ role }) => role === "owner" || role === "moderator";

function deedsOf(room) {
  if (room.role === "owner") return [...OF_MODERATORS, "setrole"];
  if (room.role === "moderator") return OF_MODERATORS;
  return room.role === "member" && room.visibility === "public" ? ["invite"] : [];
}
