// Snapshots and differences, folded: whatever the order, what is known is what the server has.
import assert from "node:assert/strict";
import { test } from "node:test";

import { fold } from "../../server/assets/presence.js";

const list = (...users) => users.map((user) => ({ user, n: 1 }));
const users = ({ members }) => [...members.users.keys()].sort();

test("a first list is no news of anybody", () => {
  const first = fold(null, { v: 1, count: 2, list: list("ann", "bob") });
  assert.deepEqual([first.came, first.went, first.members.count], [[], [], 2]);
});

test("a difference sets numbers, and twice is once", () => {
  const first = fold(null, { v: 1, count: 2, list: list("ann", "bob") });
  const difference = { v: 2, join: [{ user: "ann", n: 2 }, { user: "eve", n: 1 }], leave: ["bob", "nobody"] };
  const once = fold(first.members, difference);
  assert.deepEqual([users(once), once.came, once.went], [["ann", "eve"], ["eve"], ["bob"]]);
  assert.equal(once.members.users.get("ann"), 2);
  const twice = fold(once.members, difference);
  assert.deepEqual([users(twice), twice.came, twice.went], [["ann", "eve"], [], []]);
});

test("what was folded before stays as it was", () => {
  const { members } = fold(null, { v: 1, count: 1, list: list("ann") });
  fold(members, { v: 2, leave: ["ann"] });
  assert.deepEqual([...members.users.keys()], ["ann"]);
});

test("a room that is too large has a number, and a list again when it is small", () => {
  const small = fold(null, { v: 1, count: 1, list: list("ann") });
  const large = fold(small.members, { v: 2, count: 300 });
  assert.deepEqual([large.members.users, large.members.count, large.went], [null, 300, []]);
  const again = fold(large.members, { v: 3, count: 2, list: list("ann", "bob") });
  assert.deepEqual([users(again), again.came], [["ann", "bob"], []]);
});

test("a thousand crowds: lists at any time, differences late or again, and the same set in the end", () => {
  let seed = 1;
  const chance = (most) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % most;
  };
  const names = ["ann", "bob", "eve", "dan", "fay"];
  for (let crowd = 0; crowd < 1000; crowd += 1) {
    const truth = new Map();
    const touched = new Set();
    let known = null;
    for (let v = 1; v < 40; v += 1) {
      for (let change = chance(3); change > 0; change -= 1) {
        const user = names[chance(names.length)];
        if (chance(2)) truth.set(user, 1 + chance(3));
        else truth.delete(user);
        touched.add(user);
      }
      const all = [...truth].map(([user, n]) => ({ user, n }));
      // A list that runs ahead of its version: the differences that it holds come after it, too.
      if (known === null || chance(6) === 0) known = fold(known, { v, count: all.length, list: all }).members;
      if (chance(2)) continue;
      // Whoever was touched is in it, also who came and went: a list may have shown them.
      const join = all.filter(({ user }) => touched.has(user));
      const leave = [...touched].filter((user) => !truth.has(user));
      known = fold(known, { v, join, leave }).members;
      touched.clear();
      assert.deepEqual([...known.users].sort(), [...truth].sort());
    }
  }
});
