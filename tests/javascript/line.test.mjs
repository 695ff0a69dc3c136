// The reconnection logic, event by event, without a network.
import assert from "node:assert/strict";
import { test } from "node:test";

import { IDLE, QUIET_MS, SETTLED_MS, SILENCE_MS, step } from "../../server/assets/line.js";

const HALF = 0.5;

/** Plays events from `state` on; what is told last is the last event's effects. */
function play(state, ...events) {
  let effects = [];
  for (const event of events) {
    const before = structuredClone(state);
    const next = step(state, typeof event === "string" ? { kind: event } : event);
    assert.deepEqual(state, before, "a state is not changed, another one is made");
    ({ state, effects } = next);
  }
  return { state, effects };
}

const closed = (code, chance = HALF) => ({ kind: "closed", code, chance });
const bye = (code, after_ms) => ({ kind: "bye", code, after_ms });
const online = (attempts = 0) => play({ ...IDLE, attempts }, "open", "welcomed", "heard").state;
const kinds = ({ effects }) => effects.map(({ kind, timer }) => (timer ? `${kind} ${timer}` : kind));
const wait = ({ effects }) => effects.find(({ kind }) => kind === "lost").afterMs;

test("it connects once, and expects a word", () => {
  const first = play(IDLE, "open");
  assert.deepEqual(kinds(first), ["stop retry", "connect", "start silence"]);
  assert.equal(first.effects.at(-1).afterMs, SILENCE_MS);
  assert.deepEqual(kinds(play(first.state, "open")), []);
});

test("a word ends the silence, and a welcome begins the time of proof", () => {
  const heard = play(IDLE, "open", "heard");
  assert.deepEqual(kinds(heard), ["stop silence"]);
  const welcomed = play(heard.state, "welcomed");
  assert.equal(welcomed.state.phase, "online");
  assert.deepEqual(welcomed.effects, [
    { kind: "start", timer: "settled", afterMs: SETTLED_MS },
    { kind: "start", timer: "quiet", afterMs: QUIET_MS },
  ]);
});

test("where nobody says anything it asks, and a line that stands still is given up", () => {
  const quiet = play(online(), "quiet");
  assert.deepEqual(kinds(quiet), ["ping", "start silence"]);
  const answered = play(quiet.state, "asked", "heard");
  assert.deepEqual(kinds(answered), ["stop silence", "start quiet"]);
  const frozen = play(quiet.state, { kind: "silence", chance: HALF });
  assert.deepEqual([frozen.effects[0].kind, frozen.state.phase], ["hangUp", "waiting"]);
  assert.deepEqual(kinds(play(frozen.state, "quiet")), []);
});

test("every word puts off the question", () => {
  assert.deepEqual(kinds(play(online(), "heard")), ["start quiet"]);
  assert.deepEqual(kinds(play(IDLE, "open", "heard", "heard")), []);
});

test("one question more does not put off the end of the silence", () => {
  const asked = play(online(), "asked");
  assert.deepEqual(kinds(asked), ["start silence"]);
  assert.deepEqual(kinds(play(asked.state, "asked", "asked")), []);
});

test("silence hangs up and comes back", () => {
  const silent = play(online(), "asked", { kind: "silence", chance: HALF });
  assert.deepEqual(kinds(silent), [
    "hangUp", "stop silence", "stop settled", "stop quiet", "lost", "start retry",
  ]);
  assert.equal(silent.state.phase, "waiting");
  assert.deepEqual(kinds(play(silent.state, "retry")), ["stop retry", "connect", "start silence"]);
});

test("the socket's own close, after it was given up, is no second loss", () => {
  const silent = play(online(), "asked", { kind: "silence", chance: HALF });
  assert.deepEqual(kinds(play(silent.state, closed(1006))), []);
});

test("waits double, are bounded, and begin anew after a good connection", () => {
  let state = online();
  const waits = Array.from({ length: 8 }, () => {
    const lost = play(state, closed(1006));
    ({ state } = play(lost.state, "retry"));
    return wait(lost);
  });
  assert.deepEqual(waits, [300, 600, 1200, 2400, 4800, 9000, 9000, 9000]);
  const good = play(state, "heard", "welcomed", "settled", closed(1006));
  assert.equal(wait(good), waits[0]);
});

test("a welcome alone is not a good connection", () => {
  const lost = play(online(4), closed(1006));
  assert.equal(wait(lost), 4800);
});

test("chance spreads a wait from a fifth to the whole", () => {
  assert.equal(wait(play(online(), closed(1006, 0))), 100);
  assert.equal(wait(play(online(), closed(1006, 1))), 500);
});

test("4000 to 4499 come back, 4500 to 4999 do not, whether bye or the close says so", () => {
  for (const code of [1000, 1001, 1006, 1012, 1013, 4000, 4001, 4002, 4003, 4010, 4011, 4029, 4499]) {
    assert.equal(play(online(), closed(code)).state.phase, "waiting", code);
    assert.equal(play(online(), bye(code), closed(1006)).state.phase, "waiting", code);
  }
  for (const code of [4500, 4501, 4502, 4503, 4504, 4999]) {
    for (const over of [play(online(), closed(code)), play(online(), bye(code), closed(1006))]) {
      assert.equal(over.state.phase, "over", code);
      assert.equal(wait(over), null);
      assert.deepEqual(kinds(over), ["stop silence", "stop settled", "stop quiet", "lost"]);
      assert.deepEqual(kinds(play(over.state, "retry", "nudge")), []);
      assert.equal(play(over.state, "open").state.phase, "connecting");
    }
  }
});

test("nobody is back before the server wants it, not even when nudged", () => {
  const lost = play(online(), bye(4002, 3000), closed(1006, 0));
  assert.ok(wait(lost) >= 3000, wait(lost));
  assert.deepEqual(kinds(play(lost.state, "nudge")), []);
  const again = play(lost.state, "retry", "welcomed", closed(1006));
  assert.equal(wait(again), 600, "a farewell is for one loss");
});

test("a nudge asks, or ends a wait of one's own", () => {
  assert.deepEqual(kinds(play(online(), "nudge")), ["ping", "start silence"]);
  const lost = play(online(), closed(1006));
  assert.deepEqual(kinds(play(lost.state, "nudge")), ["stop retry", "connect", "start silence"]);
  assert.deepEqual(kinds(play(IDLE, "nudge")), []);
});

test("close ends everything, whatever there is", () => {
  const connecting = play(IDLE, "open").state;
  const waiting = play(online(), closed(1006)).state;
  for (const state of [IDLE, connecting, online(), waiting]) {
    const ended = play(state, "close");
    assert.deepEqual(ended.state, IDLE);
    assert.deepEqual(kinds(ended).slice(0, 3), ["stop retry", "stop silence", "stop settled"]);
    assert.ok(kinds(ended).includes("stop quiet"));
    assert.equal(kinds(ended).includes("hangUp"), state === connecting || state.phase === "online");
    assert.deepEqual(kinds(play(ended.state, "retry", "settled", closed(1006))), []);
  }
});

test("any events in any order: one socket at most, one timer of a name at most, and never stuck", () => {
  const alphabet = [
    "open", "close", "nudge", "asked", "heard", "welcomed", "settled", "retry", "quiet",
    bye(4002, 10), bye(4504), closed(1006), { kind: "silence", chance: HALF },
  ];
  const seen = new Map([[JSON.stringify(IDLE), { state: IDLE, running: new Set(), sockets: 0 }]]);
  const waiting = [...seen.values()];
  for (const { state, running, sockets } of waiting) {
    const isLive = state.phase === "connecting" || state.phase === "online";
    assert.equal(sockets, isLive ? 1 : 0, JSON.stringify(state));
    assert.equal(running.has("retry"), state.phase === "waiting", JSON.stringify(state));
    assert.equal(running.has("silence"), state.isExpecting, JSON.stringify(state));
    // Whoever is online waits for a word, or is going to ask for one.
    const isListening = running.has("quiet");
    assert.ok(state.phase === "online" ? isListening || state.isExpecting : !isListening, JSON.stringify(state));
    for (const event of alphabet) {
      const { kind } = typeof event === "string" ? { kind: event } : event;
      // A timer that does not run does not ring.
      if (["retry", "silence", "settled", "quiet"].includes(kind) && !running.has(kind)) continue;
      const timers = new Set(running);
      timers.delete(kind);
      const next = play(state, event);
      let open = kind === "closed" ? 0 : sockets;
      for (const effect of next.effects) {
        if (effect.kind === "start") timers.add(effect.timer);
        if (effect.kind === "stop") timers.delete(effect.timer);
        if (effect.kind === "connect") open += 1;
        if (effect.kind === "hangUp") open -= 1;
      }
      const attempts = Math.min(next.state.attempts, 3);
      const reached = { state: { ...next.state, attempts }, running: timers, sockets: open };
      const key = JSON.stringify([reached.state, [...timers].sort(), open]);
      if (!seen.has(key)) {
        seen.set(key, reached);
        waiting.push(reached);
      }
    }
  }
  assert.ok(seen.size > 50, `${seen.size} states`);
});
