// The page's model of a room, under Node: test_rooms.py copies the page's modules and runs this.

import assert from "node:assert/strict";
import test from "node:test";

const { Timeline } = await import(new URL("timeline.js", process.env.PAGE_URL));
const { People, Typing } = await import(new URL("people.js", process.env.PAGE_URL));
const { Room, directRoom, peerOf } = await import(new URL("rooms.js", process.env.PAGE_URL));

const SEEDS = 300;

/** mulberry32: a small generator of numbers that are the same on every run. */
function seeded(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const at = (seq) => new Date(Date.UTC(2026, 0, 1) + seq * 1000).toISOString();

/** What the server would have: every entry as it was pushed, and the log as it reads at `upTo` (H1). */
class Log {
  pushes = [];

  constructor(random, length) {
    this.random = random;
    for (let seq = 1; seq <= length; seq++) this.pushes.push(this.#entry(seq));
  }

  #entry(seq) {
    const user = this.#one(["ada", "bob", "eve"]);
    const common = { seq, user, at: at(seq) };
    const targets = this.#messages(seq - 1).filter(({ deleted }) => !deleted);
    const kind = targets.length ? this.#one(["message", "message", "edit", "delete", "reaction", "reaction"]) : "message";
    const target = targets.length ? this.#one(targets) : null;
    if (kind === "message") return { type: kind, ...common, message: `text ${seq}` };
    if (kind === "edit") return { type: kind, ...common, user: target.user, target: target.seq, message: `edit ${seq}` };
    if (kind === "delete") return { type: kind, ...common, user: target.user, target: target.seq };
    const emoji = this.#one(["👍", "🎉"]);
    return { type: kind, ...common, target: target.seq, emoji, removed: Boolean(target.reactions?.[emoji]?.includes(user)) };
  }

  #messages(upTo) {
    return this.read(1, upTo).filter(({ type }) => type === "message");
  }

  read(from, to, upTo = to) {
    const states = new Map();
    for (const push of this.pushes.slice(0, upTo)) {
      if (push.type === "message") {
        states.set(push.seq, { ...push });
        continue;
      }
      const state = states.get(push.target);
      state.changed = push.seq;
      if (push.type === "edit") Object.assign(state, { message: push.message, edited: push.at });
      if (push.type === "delete") Object.assign(state, { message: "", deleted: true });
      if (push.type === "reaction") {
        const reactions = { ...state.reactions };
        const others = (reactions[push.emoji] ?? []).filter((user) => user !== push.user);
        reactions[push.emoji] = push.removed ? others : [...others, push.user];
        if (!reactions[push.emoji].length) delete reactions[push.emoji];
        if (Object.keys(reactions).length) state.reactions = reactions;
        else delete state.reactions;
      }
    }
    return this.pushes.slice(from - 1, to).map((push) => {
      if (push.type === "message") return states.get(push.seq);
      return push.type === "edit" ? { ...push, message: states.get(push.target).message } : push;
    });
  }

  #one(list) {
    return list[Math.floor(this.random() * list.length)];
  }
}

function shuffled(list, random) {
  return list.map((item) => [random(), item]).sort(([one], [other]) => one - other).map(([, item]) => item);
}

const look = (timeline) => timeline.messages.map(({ seq, user, message, deleted, edited, reactions }) =>
  ({ seq, user, message, deleted, edited, reactions: Object.fromEntries(reactions) }));

function opened(events, more = {}) {
  const timeline = new Timeline();
  timeline.open(events, { seq: 0, older: false, ...more });
  return timeline;
}

const said = (seq, more = {}) => ({ type: "message", seq, user: "ada", message: `text ${seq}`, at: at(seq), ...more });

test("any order, repetition and paging of a log shows what reading it shows", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = seeded(seed);
    const length = 1 + Math.floor(random() * 40);
    const log = new Log(random, length);
    const readAt = Math.floor(random() * (length + 1));
    const first = Math.min(readAt + 1, 1 + Math.floor(random() * length));
    const page = log.read(first, readAt);
    const timeline = new Timeline();
    const pushed = shuffled([...log.pushes.slice(first - 1), ...log.pushes.filter(() => random() < 0.5)], random);
    const before = pushed.splice(0, Math.floor(random() * pushed.length));

    for (const push of before) timeline.receive(push);
    timeline.open(page, { seq: page.length ? 0 : first - 1, older: first > 1 });
    for (const push of pushed) timeline.receive(push);
    while (timeline.hole) {
      const { from, to } = timeline.hole;
      for (const event of log.read(from, to, length)) timeline.receive(event);
    }
    while (timeline.older) {
      const to = timeline.base;
      const from = Math.max(1, to - Math.floor(random() * 10));
      timeline.prepend(log.read(from, to, to + Math.floor(random() * (length - to + 1))), from > 1);
      for (const push of shuffled(log.pushes, random).slice(0, 5)) timeline.receive(push);
    }

    const expected = opened(log.read(1, length));
    assert.equal(timeline.last, length, `seed ${seed}`);
    assert.deepEqual(look(timeline), look(expected), `seed ${seed}`);
  }
});

test("an entry is news once", () => {
  const timeline = opened([said(1)]);

  const news = [timeline.receive(said(2)), timeline.receive(said(2)), timeline.receive(said(4)), timeline.receive(said(4)), timeline.receive(said(1))];

  assert.deepEqual(news, [true, false, true, false, false]);
});

test("a change that the state includes already is skipped, a later one is not", () => {
  const timeline = opened([said(1, { message: "newest", edited: at(3), changed: 3 })]);

  timeline.receive({ type: "edit", seq: 2, target: 1, user: "ada", message: "older", at: at(2) });
  timeline.receive({ type: "edit", seq: 3, target: 1, user: "ada", message: "newest", at: at(3) });
  assert.equal(timeline.messages[0].message, "newest");
  timeline.receive({ type: "delete", seq: 4, target: 1, user: "ada", at: at(4) });

  assert.deepEqual([timeline.messages[0].message, timeline.messages[0].deleted], ["", true]);
});

test("what is beyond a hole is shown, and the hole is told", () => {
  const timeline = opened([said(1)]);

  timeline.receive(said(5));
  assert.deepEqual(timeline.hole, { from: 2, to: 4 });
  timeline.exists(9);
  for (const seq of [2, 3, 4]) timeline.receive(said(seq));

  assert.deepEqual(timeline.hole, { from: 6, to: 9 });
  assert.deepEqual(timeline.messages.map(({ seq }) => seq), [1, 2, 3, 4, 5]);
});

test("what came before an empty page is shown after it", () => {
  const timeline = new Timeline();
  timeline.receive(said(1));

  timeline.open([], { seq: 0, older: false });

  assert.deepEqual([timeline.messages.length, timeline.last, timeline.hole], [1, 1, null]);
});

test("starting over forgets what another log had beyond the new one's end", () => {
  const timeline = opened([said(1), said(2), said(3)]);
  timeline.receive(said(9));

  timeline.open([said(1, { message: "a new life" })], { seq: 1, older: true });

  assert.deepEqual(timeline.messages.map(({ message }) => message), ["a new life"]);
  assert.deepEqual([timeline.hole, timeline.older, timeline.last], [null, false, 1]);
});

test("trimmed messages can be read again", () => {
  const timeline = opened([1, 2, 3, 4].map((seq) => said(seq)));

  timeline.trim(2);
  assert.deepEqual([timeline.base, timeline.older, timeline.last], [2, true, 4]);
  timeline.prepend([said(1), said(2)], false);

  assert.deepEqual(timeline.messages.map(({ seq }) => seq), [1, 2, 3, 4]);
});

test("an empty page of older messages ends the search for them", () => {
  const timeline = opened([said(5)], { older: true });

  timeline.prepend([], true);

  assert.deepEqual([timeline.older, timeline.base], [false, 4]);
});

test("what is no seq, and a reaction named like a property, do no harm", () => {
  const timeline = opened([said(1)]);

  for (const seq of [null, 0, -1, 1.5, "2", 2 ** 60]) timeline.receive({ ...said(2), seq });
  timeline.receive({ type: "reaction", seq: 2, target: 1, user: "eve", emoji: "__proto__", at: at(2) });
  timeline.receive({ type: "constructor", seq: 3, target: 1, user: "eve", at: at(3) });

  assert.deepEqual(timeline.messages[0].reactions.get("__proto__"), ["eve"]);
  assert.equal(timeline.last, 3);
});

const item = (fields) => ({ action: "sendmessage", cid: "c1", user: "ada", at: at(0), state: "sending", message: "hi", ...fields });

function room(...events) {
  const made = new Room("tea");
  made.timeline.open(events, { seq: 0, older: false });
  return made;
}

test("an ack stands for the push of its entry, unless it is a duplicate", () => {
  const tea = room(said(1));
  const [first, second] = [item({ cid: "c1" }), item({ cid: "c2", message: "again" })];
  tea.outbox.push(first, second);

  tea.acknowledge(first, { seq: 2, at: at(2), duplicate: false });
  tea.acknowledge(second, { seq: 3, at: at(3), duplicate: true });

  assert.deepEqual(tea.messages("ada").map(({ message, state }) => [message, state]), [["text 1", "sent"], ["hi", "sent"], ["again", "sent"]]);
  assert.deepEqual(tea.timeline.hole, { from: 3, to: 3 });
  tea.receive(said(3, { message: "again", cid: "c2" }), "ada");
  assert.deepEqual([tea.messages("ada").length, tea.outbox.length, tea.timeline.hole], [3, 0, null]);
});

test("an own message that the first page shows already is shown once", () => {
  const tea = new Room("tea");
  tea.outbox.push(item({ tried: "ada" }));

  tea.open([said(1, { user: "ada", message: "hi", cid: "c1" })], { seq: 0, older: false }, "ada");

  assert.deepEqual(tea.messages("ada").map(({ message, state }) => [message, state]), [["hi", "sent"]]);
});

test("a push of an own message takes the place of the one that waits", () => {
  const tea = room();
  tea.outbox.push(item({ tried: "ada" }));

  tea.receive(said(1, { message: "hi", cid: "c1" }), "ada");

  assert.deepEqual(tea.messages("ada").map(({ key, seq }) => [key, seq]), [["c1", 1]]);
});

test("somebody else's cid is not mistaken for an own one", () => {
  const tea = room();
  tea.outbox.push(item({ tried: "ada" }));

  tea.receive(said(1, { user: "eve", message: "trick", cid: "c1" }), "ada");

  assert.deepEqual(tea.messages("ada").map(({ message, own }) => [message, own]), [["trick", false], ["hi", true]]);
});

test("what is under way is shown at once, and taken back when it fails", () => {
  const tea = room(said(1));
  const edit = item({ action: "editmessage", target: 1, message: "better" });
  const reaction = item({ action: "react", target: 1, emoji: "👍", cid: "c2" });
  tea.outbox.push(edit, reaction);

  const [during] = tea.messages("ada");
  Object.assign(edit, { state: "failed", reason: "no" });
  tea.discard(reaction);
  const [after] = tea.messages("ada");

  assert.deepEqual([during.message, during.state, during.reactions], ["better", "sending", [{ emoji: "👍", users: ["ada"], own: true }]]);
  assert.deepEqual([after.message, after.state, after.item, after.reactions], ["text 1", "failed", edit, []]);
});

for (const order of ["before", "after"]) {
  test(`a change that failed is forgotten when its message is deleted, ${order} that`, () => {
    const tea = room(said(1));
    const edit = item({ action: "editmessage", target: 1 });
    tea.outbox.push(edit);
    const deletion = { type: "delete", seq: 2, target: 1, user: "ada", at: at(2) };

    if (order === "after") tea.receive(deletion, "ada");
    tea.fail(edit, "too late");
    assert.equal(tea.unsent, order === "after" ? 0 : 1);
    if (order === "before") tea.receive(deletion, "ada");

    assert.equal(tea.unsent, 0);
  });
}

test("the newest move of a person counts, whichever comes first", () => {
  const people = new People();
  people.answered({ users: ["ada", "bob"], count: 2 });

  people.moved({ user: "bob", status: "joined", at: at(9) });
  people.moved({ user: "bob", status: "left", at: at(8) });
  people.moved({ user: "eve", status: "joined", at: at(9) });
  people.moved({ user: "ada", status: "left", at: at(9) });

  assert.deepEqual([people.users, people.count, people.large], [["bob", "eve"], 2, false]);
});

test("an answer does not undo what happened since the question", () => {
  const people = new People();
  people.asked();
  people.moved({ user: "bob", status: "joined", at: at(9) });

  people.answered({ users: ["ada"], count: 1 });
  assert.deepEqual([people.users, people.count], [["ada", "bob"], 2]);
  people.asked();
  people.answered({ users: ["ada"], count: 1 });

  assert.deepEqual([people.users, people.count], [["ada"], 1]);
});

test("of a large room only the count is kept", () => {
  const people = new People();
  people.answered({ users: [], count: 500 });

  people.moved({ user: "bob", status: "joined", at: at(9) });

  assert.deepEqual([people.users, people.count, people.large], [[], 500, true]);
});

test("who writes is shown for five seconds, or until it is said", () => {
  const typing = new Typing();
  typing.came("ada", 0);
  typing.came("bob", 1_000);

  assert.deepEqual(typing.users(4_999), ["ada", "bob"]);
  assert.deepEqual(typing.users(5_000), ["bob"]);
  typing.ended("bob");

  assert.deepEqual(typing.users(5_001), []);
});

test("a direct room is named after both, in order", () => {
  assert.equal(directRoom("bob", "ada"), "dm:ada:bob");
  assert.deepEqual(["dm:ada:bob", "dm:ada:eve", "dm:bob", "tea"].map((name) => peerOf(name, "bob")), ["ada", null, null, null]);
});

test("own messages are not among the unread ones, as far as the log is here", () => {
  const log = new Timeline();
  assert.equal(log.othersAmong(2, 2, "ada"), 2);
  const users = ["bob", "ada", "bob", "ada"];
  log.open(users.map((user, index) => ({ type: "message", seq: index + 1, user, message: "x", at: at(index) })), { older: false });

  assert.equal(log.othersAmong(0, 4, "ada"), 0);
  assert.equal(log.othersAmong(1, 4, "ada"), 0);
  assert.equal(log.othersAmong(3, 4, "ada"), 1);
  assert.equal(log.othersAmong(3, 5, "ada"), 3);
  assert.equal(log.othersAmong(9, 4, "ada"), 9);
});

test("messages wait for their turn in their order, and reactions do not wait for them", () => {
  const room = new Room("hall");
  const item = (action, state, notBefore) => ({ action, state, notBefore, cid: `${room.outbox.length}` });
  room.outbox.push(item("sendmessage", "failed"), item("sendmessage", "sending", 100), item("sendmessage", "sending"), item("react", "sending"));

  assert.equal(room.nextUnsent(99), room.outbox[3]);
  assert.equal(room.nextUnsent(100), room.outbox[1]);
  assert.equal(room.waitsUntil, 100);
  room.outbox.splice(1, 1);
  assert.equal(room.nextUnsent(0), room.outbox[1]);
  assert.equal(room.waitsUntil, null);
});

test("guests are known by the newest that was said of them", () => {
  const people = new People();
  people.asked();
  people.moved({ user: "bob", guest: true, status: "joined", at: at(1) });
  people.answered({ users: ["ada", "eve"], guests: ["eve"], count: 2 });

  assert.deepEqual(["ada", "bob", "eve"].filter((user) => people.isGuest(user)), ["bob", "eve"]);
  people.moved({ user: "bob", status: "joined", at: at(2) });
  assert.equal(people.isGuest("bob"), false);
});
