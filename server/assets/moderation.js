// What moderators do: commands in the message field, and what a token allows. This file does not know
// how it is asked or drawn.

const UNITS = { s: 1, m: 60, h: 60 * 60, d: 24 * 60 * 60 };

export const HELP = "/kick NAME sends somebody out, who may come back. /ban NAME 10m keeps somebody out "
  + "(s, m, h or d; 0 lifts it). A message with // at its start is said with one /.";

/**
 * What stands in the message field: something to `say`, to `ask` of the server with the words for its
 * success, the `help`, or a `trouble`.
 */
export function parse(text, room) {
  if (!text.startsWith("/")) return { kind: "say", text };
  if (text.startsWith("//")) return { kind: "say", text: text.slice(1) };
  const [, command, rest] = /^\/(\S*)\s*(.*)$/su.exec(text);
  switch (command) {
    case "help": return { kind: "help" };
    case "kick": return rest ? kick(room, rest) : trouble("Whom? For example: /kick ann");
    case "ban": return ban(room, rest);
    default: return trouble(`There is no /${command}. /help tells what there is.`);
  }
}

/** The request that takes a message away. */
export const removal = (room, seq) => ({
  frame: { type: "remove", room, seq }, done: "The message was removed.",
});

const trouble = (words) => ({ kind: "trouble", words });

function kick(room, user) {
  return { kind: "ask", frame: { type: "kick", room, user }, done: `${user} was sent out of ${room}.` };
}

function ban(room, rest) {
  const [, user, number, unit] = /^(.+?)\s+(\d+)([smhd]?)$/su.exec(rest) ?? [];
  if (user === undefined || (unit === "" && Number(number) !== 0)) {
    return trouble("Whom, and how long? For example: /ban ann 10m");
  }
  const seconds = Number(number) * (UNITS[unit] ?? 0);
  const frame = { type: "ban", room, user, for_ms: seconds * 1000 };
  const done = seconds > 0 ? `${user} is kept out of ${room} for ${span(seconds)}.` : `${user} may join ${room} again.`;
  return { kind: "ask", frame, done };
}

/** A span as people say it, in its largest whole unit. */
export function span(seconds) {
  const [name, each] = [["day", UNITS.d], ["hour", UNITS.h], ["minute", UNITS.m]]
    .find(([, length]) => seconds >= 2 * length || seconds === length) ?? ["second", 1];
  const count = Math.ceil(seconds / each);
  return `${count} ${name}${count === 1 ? "" : "s"}`;
}

/**
 * Whether a token says that its holder moderates in a room. What is shown goes by it; what is allowed,
 * the server decides.
 */
export function mayModerate(token, room) {
  return grants(token).some(({ pattern, can }) => {
    const isStart = pattern.endsWith("*");
    return can.includes("moderate") && (isStart ? room.startsWith(pattern.slice(0, -1)) : room === pattern);
  });
}

function grants(token) {
  try {
    const base64 = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const { rooms } = JSON.parse(new TextDecoder().decode(bytes));
    return rooms.filter(({ pattern, can }) => typeof pattern === "string" && Array.isArray(can));
  } catch {
    return [];
  }
}

/** Why one is no longer in a room. */
export function whyLeft(room, reason) {
  const words = {
    kicked: `A moderator sent you out of ${room}.`,
    banned: `You are banned from ${room} for a while.`,
    forbidden: `Your token does not allow ${room} any more.`,
  };
  return words[reason] ?? `You are no longer in ${room}.`;
}

/** What an error of the protocol means to a person; undefined where its own message will do. */
export function whyRefused({ code, retry_after_ms: wait }) {
  const after = wait ? span(Math.ceil(wait / 1000)) : "a while";
  const words = {
    banned: `You are banned from this room for another ${after}.`,
    forbidden: "You may not do that in this room.",
    not_found: "Nobody, or nothing, of that kind is here.",
    rate_limited: `That was a little fast.${wait ? ` Try again in ${after}.` : ""}`,
    token_expired: "Your token has expired.",
    unauthorized: "Your token is not accepted.",
  };
  return words[code];
}

/** Why the server hung up for good; undefined where there is nothing more to say. */
export function whyClosed(code) {
  const words = {
    4002: "The server is restarting…",
    4010: "Your token has expired",
    4011: "Your access was withdrawn",
    4501: "Your token is not accepted",
    4502: "This server wants a token",
    4503: "You are here in another window",
    4504: "You were sent away",
  };
  return words[code];
}
