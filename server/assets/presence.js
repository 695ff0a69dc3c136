// Who is in a room: snapshots and differences folded into one picture. This file knows no connection.

/**
 * `users` has the number of connections of each user, by name; it is null in a room that is too large
 * for a list, where only `count` is known.
 * @typedef {{version: number, count: number, users: Map<string, number> | null}} Members
 */

/** @typedef {{members: Members, came: string[], went: string[]}} Folded */

/**
 * Folds one frame: a `presence`, or the `members` of a `joined`. A list replaces everything;
 * a difference sets the numbers that it names, so the same one twice changes nothing.
 * @param {Members | null} before
 * @param {{v: number, count?: number, list?: {user: string, n: number}[],
 *   join?: {user: string, n: number}[], leave?: string[]}} frame
 * @returns {Folded}
 */
export function fold(before, frame) {
  const isDifference = frame.list === undefined && (frame.join !== undefined || frame.leave !== undefined);
  const users = isDifference ? differ(before?.users ?? null, frame) : listed(frame);
  const count = users?.size ?? frame.count ?? before?.count ?? 0;
  const members = { version: frame.v, count, users };
  // What was not known before is no news of anybody.
  if (!before?.users || !users) return { members, came: [], went: [] };
  const known = before.users;
  return {
    members,
    came: [...users.keys()].filter((user) => !known.has(user)),
    went: [...known.keys()].filter((user) => !users.has(user)),
  };
}

/** @param {{list?: {user: string, n: number}[]}} frame */
function listed({ list }) {
  return list === undefined ? null : new Map(list.map(({ user, n }) => [user, n]));
}

/**
 * @param {Map<string, number> | null} users
 * @param {{join?: {user: string, n: number}[], leave?: string[]}} frame
 */
function differ(users, { join = [], leave = [] }) {
  if (users === null) return null;
  const after = new Map(users);
  for (const user of leave) after.delete(user);
  for (const { user, n } of join) after.set(user, n);
  return after;
}
