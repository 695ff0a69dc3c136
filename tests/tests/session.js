// What the page's session promises, told to it frame by frame. Runs in the page; throws what fails.
(async () => {
  const { Session, troubleWith } = await import("/connection.js");

  const check = (what, found, expected) => {
    const [a, b] = [found, expected].map((value) => JSON.stringify(value));
    if (a !== b) throw new Error(`${what}: ${a} instead of ${b}`);
  };
  const begin = () => new Session({ name: "ann", rooms: ["lobby"], random: () => 0.5 });
  const hear = (session, frame) => session.receive(JSON.stringify(frame));
  const entry = (seq, from, data) => ({ seq, from, data, ts: 1 });
  const welcome = (session, user = "ann") =>
    hear(session, { type: "welcome", v: 1, user, max_bytes: 32768 }).send;
  const joined = (session, frame) =>
    hear(session, { type: "joined", room: "lobby", epoch: "e1", seq: 0, history: [], more: false, ...frame });
  const shown = ({ news }) => news.filter(({ kind }) => kind === "entry" || kind === "gap")
    .map((piece) => (piece.kind === "gap" ? [piece.from, piece.to] : [piece.item.seq, piece.item.data]));
  const online = () => {
    const session = begin();
    welcome(session);
    joined(session, { seq: 2, history: [entry(1, "bob", "a"), entry(2, "bob", "b")] });
    return session;
  };
  const states = (session) => [...session.pending.values()].map(({ data, state }) => [data, state]);

  const stories = {
    "a room is joined again from where its cursor stands"() {
      const session = online();
      hear(session, { type: "message", room: "lobby", ...entry(3, "bob", "c") });
      session.closed(1006);
      const [join] = welcome(session);
      check("since", join.since, { epoch: "e1", seq: 3 });
      const back = joined(session, { seq: 5, recovered: true, history: [entry(4, "bob", "d"), entry(5, "bob", "e")] });
      check("what was missed", shown(back), [[4, "d"], [5, "e"]]);
    },
    "what is said offline goes out once, after the join"() {
      const session = online();
      session.closed(1006);
      check("nothing is sent yet", session.publish("lobby", "hello", 1).send, []);
      check("nothing but the join", welcome(session).map(({ type }) => type), ["join"]);
      const { send } = joined(session, { seq: 2 });
      check("it goes out", send.map(({ type, data }) => [type, data]), [["publish", "hello"]]);
    },
    "what arrived without an ack is recognised, what did not is left to its author"() {
      const session = online();
      session.publish("lobby", "arrived", 1);
      session.publish("lobby", "lost", 1);
      session.closed(1006);
      welcome(session);
      const back = joined(session, { seq: 3, recovered: true, history: [entry(3, "ann", "arrived")] });
      check("nothing is said twice", back.send, []);
      check("the one", states(session), [["lost", "unsure"]]);
      const [again] = session.again([...session.pending.keys()][0]);
      check("said again", again.data, "lost");
    },
    "a gap is told, but for what one said oneself and knows to be there"() {
      const session = online();
      const { said } = session.publish("lobby", "mine", 1);
      hear(session, { type: "ack", id: said.id, room: "lobby", epoch: "e1", seq: 5 });
      session.closed(1006);
      welcome(session);
      const gap = { from: 3, to: 9 };
      const back = joined(session, { seq: 10, reason: "trimmed", gap, history: [entry(10, "bob", "j")] });
      check("in order", shown(back), [[3, 4], [5, "mine"], [6, 9], [10, "j"]]);
      check("nothing waits", states(session), []);
    },
    "a room that began anew keeps what was acknowledged before"() {
      const session = online();
      const { said } = session.publish("lobby", "mine", 1);
      hear(session, { type: "ack", id: said.id, room: "lobby", epoch: "e1", seq: 3 });
      session.closed(1006);
      welcome(session);
      const back = joined(session, { epoch: "e2", seq: 1, reason: "epoch_changed", history: [entry(1, "bob", "new")] });
      const order = back.news.map(({ kind, item }) => item?.data ?? kind);
      check("in order", order, ["mine", "joined", "new"]);
      check("a new run", back.news[1].isNewRun, true);
    },
    "somebody else's words under the name one wished for are theirs"() {
      const session = begin();
      welcome(session, "ann-2");
      const first = joined(session, { seq: 1, history: [entry(1, "ann", "I am the other one")] });
      check("not mine", first.news.at(-1).isMine, false);
      const live = hear(session, { type: "message", room: "lobby", ...entry(2, "ann-2", "I am I") });
      check("mine", live.news[0].isMine, true);
    },
    "the answer to an old leave does not end a new stay"() {
      const session = online();
      const [leave] = session.leave("lobby");
      session.join("lobby");
      const { news } = hear(session, { type: "left", id: leave.id, room: "lobby" });
      check("no news", news, []);
      check("still wanted", session.rooms.has("lobby"), true);
      check("sent away", hear(session, { type: "left", room: "lobby", reason: "kicked" }).news[0].kind, "left");
    },
    "a server that stops has taken nothing, and says when to come back"() {
      const session = online();
      const { said } = session.publish("lobby", "hello", 1);
      hear(session, { type: "error", id: said.id, code: "draining", message: "", retry: "later" });
      check("it waits", said.state, "waiting");
      hear(session, { type: "bye", code: 4002, reason: "drain", after_ms: 3000 });
      const wait = session.closed(1006);
      if (wait < 3000) throw new Error(`back after ${wait} ms, too early`);
    },
    "waits grow, are spread, and end where the server says so"() {
      const session = online();
      const waits = [1, 2, 3, 4, 5, 6, 7, 8].map(() => session.closed(1006));
      check("they grow", waits.slice(0, 5).every((wait, at) => at === 0 || wait > waits[at - 1]), true);
      check("they are bounded", Math.max(...waits) <= 15000, true);
      session.settled();
      check("from the start", session.closed(1006), waits[0]);
      hear(session, { type: "bye", code: 4504, reason: "kicked" });
      check("never", session.closed(1006), null);
    },
    "names are judged as the server judges them"() {
      check("good", ["ann", " ann ", "Zoë", "👩‍🚀", "x".repeat(32)].map(troubleWith), ["", "", "", "", ""]);
      for (const bad of ["", "  ", "a\u202Eb", "a\nb", "x".repeat(33), "\uD800"]) {
        if (!troubleWith(bad)) throw new Error(`${JSON.stringify(bad)} is taken`);
      }
    },
  };

  for (const [name, story] of Object.entries(stories)) {
    try { story(); } catch (error) { throw new Error(`${name}: ${error.message}`); }
  }
  return Object.keys(stories).length;
})()
