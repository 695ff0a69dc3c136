// Two clients on a real server, one of them over a line that is cut again and again. Arguments: the
// server's address and `sessions` or `plain`, for what it is expected to do. Ends with 0 if all is well.
import assert from "node:assert/strict";
import { connect, createServer } from "node:net";

import { Roundtable } from "../../server/assets/roundtable.js";

const WebSocket = await import("../foreign/node_modules/ws/wrapper.mjs").then(
  (ws) => ws.WebSocket,
  () => globalThis.WebSocket,
);
if (!WebSocket) process.exit(77);
const [address, kind] = process.argv.slice(2);
if (address === "--which") process.exit(0);
const hasSessions = kind === "sessions";
setTimeout(() => { throw new Error("nothing happened for too long"); }, 60000).unref();

/** A line to the server that can be cut. */
const [host, port] = address.split(":");
const wires = new Set();
const proxy = createServer((near) => {
  const far = connect(Number(port), host);
  for (const [one, other] of [[near, far], [far, near]]) {
    wires.add(one);
    one.on("close", () => { wires.delete(one); other.destroy(); });
    one.on("error", () => {});
    one.pipe(other);
  }
});
await new Promise((done) => { proxy.listen(0, "127.0.0.1", done); });
const cut = () => { for (const wire of wires) wire.resetAndDestroy(); };

const next = (table, kind, isIt = () => true) => new Promise((done) => {
  const stop = table.on(kind, (news) => { if (isIt(news)) { stop(); done(news); } });
});
const client = (authority, name) => new Roundtable(`http://${authority}/ws`, { name, rooms: ["lobby"], WebSocket });

const ann = client(`127.0.0.1:${proxy.address().port}`, "ann");
const bob = client(address, "bob");
const heard = [];
bob.on("entry", ({ item }) => heard.push(item.data));
bob.on("gap", (gap) => assert.fail(`a gap: ${JSON.stringify(gap)}`));
const own = [];
ann.on("entry", ({ item }) => { if (item.from === "ann") own.push(item.data); });
// What a server without keys leaves open is said again.
ann.on("unsure", ({ said }) => ann.again(said.id));
let losses = 0;
ann.on("state", ({ state }) => {
  if (state !== "offline") return;
  losses += 1;
  queueMicrotask(() => ann.lookAgain());
});

for (const table of [bob, ann]) {
  const joined = next(table, "joined");
  table.open();
  await joined;
}
assert.equal(ann.session.user, "ann");

// ---- Refusals reach whoever asked --------------------------------------------------------------

await assert.rejects(ann.request({ type: "fly" }), { code: "bad_type" });
await assert.rejects(bob.request({ type: "publish", room: "attic", data: 1 }), { code: "not_joined" });

// ---- Said while the line is cut: once, and in order --------------------------------------------

const ROUNDS = 6;
const EACH = 8;
for (let round = 0; round < ROUNDS; round += 1) {
  if (!ann.session.rooms.get("lobby").isJoined) await next(ann, "joined");
  const acks = Array.from({ length: EACH }, (_, at) => ann.publish("lobby", round * EACH + at));
  // Cut before anything is sent, or when the first answer is there.
  if (round % 2) await acks[0];
  const lost = next(ann, "state", ({ state }) => state === "offline");
  cut();
  await lost;
  const places = (await Promise.all(acks)).map(({ seq }) => seq);
  assert.deepEqual(places, places.toSorted((a, b) => a - b), "places in the order of the words");
}
assert.ok(losses >= ROUNDS, `${losses} losses`);
const last = next(bob, "entry", ({ item }) => item.data === "last");
await ann.publish("lobby", "last");
await last;
const all = [...Array(ROUNDS * EACH).keys(), "last"];
const firsts = [...new Set(heard)];
assert.deepEqual(new Set(firsts), new Set(all), "everything arrived");
if (hasSessions) {
  assert.deepEqual(heard, all, "once, and in order");
  assert.equal(ann.session.user, "ann");
  assert.deepEqual(ann.session.has, { keys: true, signals: true });
}

// ---- Who is there, and what they do ------------------------------------------------------------

if (hasSessions) {
  const { users } = bob.session.rooms.get("lobby").members;
  assert.deepEqual([...users.keys()].sort(), ["ann", "bob"]);
  const typing = next(bob, "signal", ({ isOver }) => !isOver);
  const over = next(bob, "signal", ({ isOver }) => isOver);
  ann.signal("lobby", "typing", true);
  assert.deepEqual(await typing, { room: "lobby", from: "ann", key: "typing", data: true, isOver: false });
  await over;
  const went = next(bob, "presence", (news) => news.went.includes("ann"));
  ann.close();
  await went;
}
ann.close();
bob.close();
proxy.close();
console.log(`${heard.length} heard, ${losses} losses`);
