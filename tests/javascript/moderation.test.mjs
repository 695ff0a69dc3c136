// Commands in the message field, what a token shows, and what is said of what went wrong.
import assert from "node:assert/strict";
import { test } from "node:test";

import {
  HELP, mayModerate, parse, removal, span, whyClosed, whyLeft, whyRefused,
} from "../../server/assets/moderation.js";

const token = (payload) => {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "HS256" })}.${part(payload)}.signature`;
};

test("what begins with no slash is said, and two slashes stand for one", () => {
  assert.deepEqual(parse("hello /kick ann", "lobby"), { kind: "say", text: "hello /kick ann" });
  assert.deepEqual(parse("//kick ann", "lobby"), { kind: "say", text: "/kick ann" });
});

test("commands are requests", () => {
  const frame = (text) => parse(text, "lobby").frame;
  assert.deepEqual(frame("/kick ann b"), { type: "kick", room: "lobby", user: "ann b" });
  const ban = (user, seconds) => ({ type: "ban", room: "lobby", user, for_ms: seconds * 1000 });
  assert.deepEqual(frame("/ban ann 10m"), ban("ann", 600));
  assert.deepEqual(frame("/ban ann b  2d"), ban("ann b", 172_800));
  assert.deepEqual(frame("/ban ann 3 90s"), ban("ann 3", 90));
  assert.deepEqual(frame("/ban ann 0"), ban("ann", 0));
  assert.equal(parse("/ban ann 0", "lobby").done, "ann may join lobby again.");
  assert.equal(parse("/ban ann 1h", "lobby").done, "ann is kept out of lobby for 1 hour.");
  assert.deepEqual(removal("lobby", 7).frame, { type: "remove", room: "lobby", seq: 7 });
});

test("what is no command is not said", () => {
  for (const text of ["/", "/dance", "/kick", "/kick ", "/ban", "/ban ann", "/ban ann 10", "/ban 10m", "/ban ann 1y"]) {
    const { kind, words } = parse(text, "lobby");
    assert.equal(kind, "trouble", text);
    assert.match(words, /For example|There is no/u);
  }
  assert.equal(parse("/help", "lobby").kind, "help");
  assert.match(HELP, /\/kick .*\/ban /u);
});

test("a token shows where its holder moderates", () => {
  const own = token({ sub: "ann", rooms: [
    { pattern: "team-*", can: ["join", "moderate"] },
    { pattern: "lobby", can: ["join"] },
    { pattern: "café", can: ["moderate"] },
  ] });
  const rooms = ["team-7", "team-", "team", "lobby", "café", "caf"];
  assert.deepEqual(rooms.map((room) => mayModerate(own, room)), [true, true, false, false, true, false]);
  for (const odd of ["", "a.b", "a.!.c", token({}), token({ rooms: 7 }), token({ rooms: [{}] }), token(null)]) {
    assert.equal(mayModerate(odd, "lobby"), false, odd);
  }
});

test("spans are told in whole units", () => {
  const spans = [1, 59, 60, 61, 90, 120, 121, 3600, 7201, 86_400, 200_000];
  assert.deepEqual(spans.map(span), [
    "1 second", "59 seconds", "1 minute", "61 seconds", "90 seconds", "2 minutes", "3 minutes",
    "1 hour", "3 hours", "1 day", "3 days",
  ]);
});

test("reasons are told in words, and unknown ones are left to others", () => {
  assert.equal(whyLeft("lobby", "kicked"), "A moderator sent you out of lobby.");
  assert.equal(whyLeft("lobby", undefined), "You are no longer in lobby.");
  assert.equal(whyRefused({ code: "banned", retry_after_ms: 90_500 }), "You are banned from this room for another 91 seconds.");
  assert.equal(whyRefused({ code: "key_conflict" }), undefined);
  assert.equal(whyClosed(4504), "You were sent away");
  assert.equal(whyClosed(1000), undefined);
});
