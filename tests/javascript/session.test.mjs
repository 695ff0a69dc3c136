// What the client's session promises, told to it frame by frame, without a network.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Session, troubleWith } from "../../server/assets/session.js";

const check = (what, found, expected) => assert.deepEqual(found, expected, what);
const begin = (wish = {}) => new Session({ name: "ann", rooms: ["lobby"], run: "run", ...wish });
const hear = (session, frame, now = 0) => session.receive(JSON.stringify(frame), now);
const entry = (seq, from, data) => ({ seq, from, data, ts: 1 });
const welcome = (session, user = "ann", more = {}) =>
  hear(session, { type: "welcome", v: 1, user, max_bytes: 32768, ...more }).send;
const joined = (session, frame, now) =>
  hear(session, { type: "joined", room: "lobby", epoch: "e1", seq: 0, history: [], more: false, ...frame }, now);
const shown = ({ news }) => news.filter(({ kind }) => kind === "entry" || kind === "gap")
  .map((piece) => (piece.kind === "gap" ? [piece.from, piece.to] : [piece.item.seq, piece.item.data]));
const kinds = ({ news }) => news.map(({ kind }) => kind);
/** In the lobby, on a server that is asked for sessions with `more`. */
const online = (more) => {
  const session = begin();
  welcome(session, "ann", more);
  joined(session, { seq: 2, history: [entry(1, "bob", "a"), entry(2, "bob", "b")] });
  return session;
};
const states = (session) => [...session.pending.values()].map(({ data, state }) => [data, state]);
/** Acknowledges all that goes out, one by one, and returns what it was. */
const converse = (session, frames, seq = 10) => {
  const words = [];
  for (let queue = [...frames]; queue.length > 0;) {
    const { type, id, data } = queue.shift();
    check("only that", type, "publish");
    words.push(data);
    queue.push(...hear(session, { type: "ack", id, room: "lobby", epoch: "e1", seq: seq++ }).send);
  }
  return words;
};

// ---- Rooms and what is said there --------------------------------------------------------------

test("a room is joined again from where its cursor stands", () => {
  const session = online();
  hear(session, { type: "message", room: "lobby", ...entry(3, "bob", "c") });
  session.closed();
  const [join] = welcome(session);
  check("since", join.since, { epoch: "e1", seq: 3 });
  const back = joined(session, { seq: 5, recovered: true, history: [entry(4, "bob", "d"), entry(5, "bob", "e")] });
  check("what was missed", shown(back), [[4, "d"], [5, "e"]]);
});

test("what is said offline goes out once, after the join", () => {
  const session = online();
  session.closed();
  check("nothing is sent yet", session.publish("lobby", "hello", 1, 0).send, []);
  check("nothing but the join", welcome(session).map(({ type }) => type), ["join"]);
  const { send } = joined(session, { seq: 2 });
  check("it goes out", send.map(({ type, data }) => [type, data]), [["publish", "hello"]]);
});

test("what arrived without an ack is recognised, what did not is left to its author", () => {
  const session = online();
  session.publish("lobby", "arrived", 1, 0);
  session.publish("lobby", "lost", 1, 0);
  session.closed();
  welcome(session);
  const back = joined(session, { seq: 3, recovered: true, history: [entry(3, "ann", "arrived")] });
  check("nothing is said twice", back.send, []);
  check("the one", states(session), [["lost", "unsure"]]);
  const [again] = session.again([...session.pending.keys()][0], 0);
  check("said again", again.data, "lost");
});

test("a gap is told, but for what one said oneself and knows to be there", () => {
  const session = online();
  const { said } = session.publish("lobby", "mine", 1, 0);
  hear(session, { type: "ack", id: said.id, room: "lobby", epoch: "e1", seq: 5 });
  session.closed();
  welcome(session);
  const gap = { from: 3, to: 9 };
  const back = joined(session, { seq: 10, reason: "trimmed", gap, history: [entry(10, "bob", "j")] });
  check("in order", shown(back), [[3, 4], [5, "mine"], [6, 9], [10, "j"]]);
  check("nothing waits", states(session), []);
});

test("a room that began anew keeps what was acknowledged before", () => {
  const session = online();
  const { said } = session.publish("lobby", "mine", 1, 0);
  hear(session, { type: "ack", id: said.id, room: "lobby", epoch: "e1", seq: 3 });
  session.closed();
  welcome(session);
  const back = joined(session, { epoch: "e2", seq: 1, reason: "epoch_changed", history: [entry(1, "bob", "new")] });
  const order = back.news.map(({ kind, item }) => item?.data ?? kind);
  check("in order", order, ["mine", "joined", "new"]);
  check("a new run", back.news[1].isNewRun, true);
});

test("somebody else's words under the name one wished for are theirs", () => {
  const session = begin();
  welcome(session, "ann-2");
  const first = joined(session, { seq: 1, history: [entry(1, "ann", "I am the other one")] });
  check("not mine", first.news.at(-1).isMine, false);
  const live = hear(session, { type: "message", room: "lobby", ...entry(2, "ann-2", "I am I") });
  check("mine", live.news[0].isMine, true);
});

test("the answer to an old leave does not end a new stay", () => {
  const session = online();
  const [leave] = session.leave("lobby");
  session.join("lobby");
  const { news } = hear(session, { type: "left", id: leave.id, room: "lobby" });
  check("no news", news, []);
  check("still wanted", session.rooms.has("lobby"), true);
  check("sent away", hear(session, { type: "left", room: "lobby", reason: "kicked" }).news[0].kind, "left");
});

test("a server that stops has taken nothing, and what is said meanwhile waits behind it", () => {
  const session = online();
  const { said } = session.publish("lobby", "hello", 1, 0);
  hear(session, { type: "error", id: said.id, code: "draining", message: "", retry: "later" });
  check("it waits", said.state, "waiting");
  check("so does the next", session.publish("lobby", "you", 1, 0).send, []);
  session.closed();
  welcome(session);
  check("in order", converse(session, joined(session, { seq: 2 }).send), ["hello", "you"]);
});

test("names are judged as the server judges them", () => {
  check("good", ["ann", " ann ", "Zoë", "👩‍🚀", "x".repeat(32)].map(troubleWith), ["", "", "", "", ""]);
  for (const bad of ["", "  ", "a\u202Eb", "a\nb", "x".repeat(33), "\uD800"]) {
    if (!troubleWith(bad)) throw new Error(`${JSON.stringify(bad)} is taken`);
  }
});

test("what waits goes out one by one, and a refusal for haste does not change the order", () => {
  const session = begin();
  for (const words of ["one", "two", "three"]) session.publish("lobby", words, 1, 0);
  welcome(session);
  const [first, ...others] = joined(session, {}).send;
  check("one at a time", others, []);
  const late = hear(session, { type: "error", id: first.id, code: "rate_limited", message: "", retry_after_ms: 70 });
  check("told when", late.news, [{ kind: "later", room: "lobby", afterMs: 70 }]);
  check("in order", converse(session, session.retry("lobby", 0)), ["one", "two", "three"]);
  check("after that at once", session.publish("lobby", "four", 1, 0).send.length, 1);
  check("without waiting", session.publish("lobby", "five", 1, 0).send.length, 1);
});

test("without echo the cursor moves by the acks, but not over what did not come", () => {
  const session = begin();
  session.join("lobby", { echo: false });
  const [join] = welcome(session);
  check("no echo", join.echo, false);
  joined(session, { seq: 2 });
  const ack = (seq) => {
    const { said } = session.publish("lobby", "mine", 1, 0);
    return hear(session, { type: "ack", id: said.id, room: "lobby", epoch: "e1", seq });
  };
  ack(3);
  check("moved", session.rooms.get("lobby").seq, 3);
  ack(5);
  check("4 is somebody else's, and late", session.rooms.get("lobby").seq, 3);
  hear(session, { type: "message", room: "lobby", ...entry(4, "bob", "d") });
  check("over both", session.rooms.get("lobby").seq, 5);
  check("nothing waits", states(session), []);
});

test("what a moderator removed is told", () => {
  const session = online();
  hear(session, { type: "message", room: "lobby", ...entry(1, "bob", "a") });
  const removal = { seq: 2, from: "mod", removes: 1, ts: 5 };
  const told = [{ kind: "removed", room: "lobby", seq: 1, from: "mod" }];
  check("told", hear(session, { type: "removed", room: "lobby", ...removal }).news, told);
  check("read", session.rooms.get("lobby").seq, 2);
  session.older("lobby", 3);
  const [id] = session.requests.keys();
  const items = [{ seq: 1, from: "bob", removed: true, ts: 1 }, removal];
  const { news } = hear(session, { type: "history", id, room: "lobby", epoch: session.rooms.get("lobby").epoch, items, more: false });
  check("its own item is no message", news[0].items, [items[0]]);
});

// ---- Sessions and keys -------------------------------------------------------------------------

const sessions = { session: "s_1", resumed: false, resume_ms: 1000, auth: "off" };

/** A connection that was lost while two messages were on their way, and a new one. */
const cut = () => {
  const session = online(sessions);
  session.publish("lobby", "one", 1, 0);
  session.publish("lobby", "two", 1, 0);
  session.closed();
  const [hello] = welcome(session, "ann-2", { ...sessions, session: "s_2" });
  return { session, hello };
};

test("a session is asked back with what was received of it, and its rooms come by themselves", () => {
  const { session, hello } = cut();
  check("the old secret", [hello.type, hello.resume], ["hello", "s_1"]);
  check("since", hello.since, { lobby: { epoch: "e1", seq: 2 } });
  check("the name of between is nobody's", session.user, "ann");
  check("no join", welcome(session, "ann", { ...sessions, id: hello.id, resumed: true }), []);
  check("the secret stays", session.secret, "s_1");
});

test("after a resume what was unsure goes out again with its key, once each and in order", () => {
  const { session, hello } = cut();
  welcome(session, "ann", { ...sessions, id: hello.id, resumed: true });
  const back = joined(session, { seq: 3, recovered: true, history: [entry(3, "ann", "one")] });
  check("the entry is shown", shown(back), [[3, "one"]]);
  check("with its key", back.send.map(({ data, key }) => [data, key]), [["one", "run-2"]]);
  const ack = { type: "ack", id: back.send[0].id, room: "lobby", epoch: "e1", seq: 3, duplicate: true };
  const next = hear(session, ack);
  check("it was there", next.news.map(({ kind, isDuplicate }) => [kind, isDuplicate]), [["ack", true]]);
  check("the other one follows", next.send.map(({ data, key }) => [data, key]), [["two", "run-3"]]);
  check("and nothing is left of the first", states(session), [["two", "sent"]]);
});

test("equal words are told apart by their keys", () => {
  const session = online(sessions);
  session.publish("lobby", "ok", 1, 0);
  session.publish("lobby", "ok", 1, 0);
  session.closed();
  const [hello] = welcome(session, "ann-2", sessions);
  welcome(session, "ann", { ...sessions, id: hello.id, resumed: true });
  const back = joined(session, { seq: 3, recovered: true, history: [entry(3, "ann", "ok")] });
  check("both are asked for", states(session), [["ok", "sent"], ["ok", "waiting"]]);
  check("the first", back.send[0].key, "run-2");
});

test("a session that is not there any more begins anew, and leaves the unsure to their author", () => {
  const { session, hello } = cut();
  const send = welcome(session, "ann-2", { ...sessions, session: "s_2", id: hello.id });
  check("joined again", send.map(({ type, since }) => [type, since]), [["join", { epoch: "e1", seq: 2 }]]);
  const back = joined(session, { seq: 3, recovered: true, history: [entry(3, "ann", "one")] });
  check("nothing is repeated", back.send, []);
  check("known by its words", states(session), [["two", "unsure"]]);
  check("a new secret", session.secret, "s_2");
});

test("a key is not trusted for longer than the server keeps it", () => {
  const { session, hello } = cut();
  welcome(session, "ann", { ...sessions, id: hello.id, resumed: true });
  const back = joined(session, { seq: 2, recovered: true }, 5 * 60 * 1000);
  check("nothing is repeated", back.send, []);
  check("both are their author's", states(session), [["one", "unsure"], ["two", "unsure"]]);
});

test("a log that began anew knows no keys", () => {
  const { session, hello } = cut();
  welcome(session, "ann", { ...sessions, id: hello.id, resumed: true });
  check("nothing is repeated", joined(session, { epoch: "e2", reason: "epoch_changed" }).send, []);
});

test("a room that one left meanwhile is left when it comes back, one that is new is joined", () => {
  const { session, hello } = cut();
  session.leave("lobby");
  session.join("kitchen");
  const send = welcome(session, "ann", { ...sessions, id: hello.id, resumed: true });
  check("the new one", send.map(({ type, room }) => [type, room]), [["join", "kitchen"]]);
  check("the old one", joined(session, {}).send.map(({ type, room }) => [type, room]), [["leave", "lobby"]]);
});

test("a server that refuses to resume is a server to begin anew with", () => {
  const { session, hello } = cut();
  const { send, news } = hear(session, { type: "error", id: hello.id, code: "unsupported", message: "" });
  check("as a new one", kinds({ news }), ["welcome"]);
  check("joined", send.map(({ type }) => type), ["join"]);
});

test("a server without keys is said it to without", () => {
  const session = online(sessions);
  const { said, send } = session.publish("lobby", "one", 1, 0);
  check("with a key", send[0].key, "run-2");
  const { send: again } = hear(session, { type: "error", id: said.id, code: "unsupported", message: "" });
  check("without", again, [{ type: "publish", id: said.id, room: "lobby", data: "one" }]);
});

test("a server without sessions is told of none", () => {
  const session = online();
  session.closed();
  check("only the join", welcome(session).map(({ type }) => type), ["join"]);
  joined(session, { seq: 2 });
  check("no key", "key" in session.publish("lobby", "one", 1, 0).send[0], false);
  check("no signal", session.signal("lobby", "typing", true), []);
});

// ---- Tokens ------------------------------------------------------------------------------------

test("a token is given where it is wanted, before anything is joined", () => {
  const session = begin();
  session.token = "eyJ";
  const [hello, ...others] = welcome(session, "guest-1", { ...sessions, auth: "required" });
  check("the token", [hello.type, hello.token, "resume" in hello], ["hello", "eyJ", false]);
  check("no join yet", others, []);
  check("then the join", welcome(session, "ann", { ...sessions, auth: "required", id: hello.id }).map(({ type }) => type), ["join"]);
});

test("a server that takes no tokens gets none", () => {
  const session = begin();
  session.token = "eyJ";
  check("only the join", welcome(session, "ann", sessions).map(({ type }) => type), ["join"]);
});

test("a refused token is no reason to come in without a name", () => {
  const session = begin();
  session.token = "eyJ";
  const [{ id }] = welcome(session, "guest-1", { ...sessions, auth: "optional" });
  const { send, news } = hear(session, { type: "error", id, code: "unauthorized", message: "" });
  check("told", kinds({ news }), ["refused"]);
  check("nothing is joined", [send, session.isWelcome], [[], false]);
});

test("a verified author repeats with keys also where the session is gone, in the same log", () => {
  const session = begin();
  session.token = "eyJ";
  const come = () => {
    const [{ id }] = welcome(session, "guest-1", { ...sessions, auth: "required" });
    welcome(session, "ann", { ...sessions, auth: "required", id });
  };
  come();
  joined(session, { seq: 2 });
  session.publish("lobby", "one", 1, 0);
  session.closed();
  come();
  check("again", joined(session, { seq: 2, recovered: true }).send.map(({ key }) => key), ["run-3"]);
});

test("a fresh token goes to a connection that is there", () => {
  const session = online(sessions);
  check("auth", session.authenticate("new").map(({ type, token }) => [type, token]), [["auth", "new"]]);
  session.closed();
  check("kept for the next", [session.authenticate("newer"), session.token], [[], "newer"]);
});

// ---- Presence and signals ----------------------------------------------------------------------

test("who is there comes with the room, and then by differences", () => {
  const session = begin();
  welcome(session);
  const list = [{ user: "ann", n: 1 }, { user: "bob", n: 2 }];
  const { news } = joined(session, { members: { v: 4, count: 2, list } });
  check("the list", [...news.at(-1).members.users.keys()], ["ann", "bob"]);
  const frame = { type: "presence", room: "lobby", v: 5, join: [{ user: "eve", n: 1 }], leave: ["bob"] };
  const { came, went, members } = hear(session, frame).news[0];
  check("the difference", [came, went, members.count], [["eve"], ["bob"], 2]);
});

test("a signal is heard where one is, and said where it is known", () => {
  const session = online(sessions);
  const frame = { type: "signal", room: "lobby", from: "bob", key: "typing", data: true, ttl_ms: 5000 };
  check("heard", kinds(hear(session, frame)), ["signal"]);
  check("not elsewhere", kinds(hear(session, { ...frame, room: "attic" })), []);
  check("said", session.signal("lobby", "typing", true).length, 1);
  hear(session, { type: "error", code: "unsupported", message: "" });
  check("not said to a server without", session.signal("lobby", "typing", true), []);
});

test("an answer goes to whoever asked", () => {
  const session = online();
  const { id, send } = session.request({ type: "presence", room: "lobby" });
  check("with its id", send, [{ type: "presence", room: "lobby", id }]);
  const { news } = hear(session, { type: "presence", id, room: "lobby", v: 1, count: 1, list: [{ user: "ann", n: 1 }] });
  check("both", kinds({ news }), ["reply", "presence"]);
  const lost = session.request({ type: "presence", room: "lobby" }).id;
  check("none after a loss", session.closed().includes(lost), true);
});
