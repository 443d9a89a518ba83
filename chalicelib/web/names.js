/**
 * Names of people and rooms: what they look like, and how the page's address names a room.
 */

import { directRoom } from "./rooms.js";

const USER = /^[a-z0-9][a-z0-9._-]{0,31}$/;
const ROOM = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const LETTERS = "letters a to z, digits, dots, dashes or underscores, starting with a letter or a digit";

export const isUser = (name) => USER.test(name ?? "");
export const isRoom = (name) => ROOM.test(name ?? "");

export const userNamed = (text) => text.trim().toLowerCase().replace(/^@/, "");
export const roomNamed = (text) => text.trim().toLowerCase().replace(/^#/, "");

/** What is wrong with a name of a person, or null. */
export function userProblem(name) {
  if (!name) return "Please choose a name.";
  if (name.length > 32) return "Please use at most 32 characters.";
  return isUser(name) ? null : `Please use ${LETTERS}.`;
}

/** What is wrong with a name of a room, or null. */
export function roomProblem(name) {
  if (!name) return "Type the name of a room.";
  return isRoom(name) ? null : `A room's name is up to 64 ${LETTERS}.`;
}

/** A room can be linked to: the page's address and #its-name, or #@somebody; null for none. */
export function linkedRoom(me) {
  const name = location.hash.slice(1);
  if (name.startsWith("@") && isUser(name.slice(1)) && name !== `@${me}`) return directRoom(me, name.slice(1));
  return isRoom(name) ? name : null;
}

export const linkTo = ({ name, peer }) => (peer ? `#@${peer}` : `#${name}`);
