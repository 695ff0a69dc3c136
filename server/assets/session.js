// A client's side of `roundtable.v1`: frames in, frames and news out. This file knows no socket, no
// clock and no page, and not when the connection comes back.

import { fold } from "./presence.js";
import { Sayings } from "./sayings.js";

const LONGEST_NAME = 32;
/** Control characters, and what is not seen or turns the direction of writing. */
const NOT_IN_NAMES =
  /[\p{Cc}\p{Cs}\u00AD\u034F\u061C\u115F\u1160\u180E\u200B\u200E\u200F\u2028-\u202E\u2060-\u206F\u3164\uFEFF\uFFA0\uFFF9-\uFFFB\u{E0000}-\u{E0FFF}]/u;

/** @typedef {{[field: string]: any, type: string}} Frame  one frame of the protocol */
/**
 * What stands at one place: data, or that it was `removed`, or that it `removes` what stands at another.
 * @typedef {{seq: number, from: string, data?: any, ts: number, removed?: boolean, removes?: number}} Entry
 */
/** @typedef {import("./presence.js").Members} Members */

/** @typedef {import("./sayings.js").Said} Said */

/**
 * Where one stands in a room that one wants to be in.
 * @typedef {object} Place
 * @property {string | null} epoch
 * @property {number} seq
 * @property {boolean} isJoined
 * @property {boolean} isHeld  whether the server's session has it, so that it comes back by itself
 * @property {boolean} echo
 * @property {Set<number>} own  places of one's own that come without echo
 * @property {Members | null} members
 */

/** @typedef {{send: Frame[], news: any[]}} Act  what to send, and what to tell */

/**
 * What is wrong with the name of a person or a room; empty if nothing is.
 * @param {string} name
 */
export function troubleWith(name) {
  const trimmed = name.trim();
  if (!trimmed) return "A name needs at least one letter.";
  if ([...trimmed].length > LONGEST_NAME) return `A name has at most ${LONGEST_NAME} characters.`;
  return NOT_IN_NAMES.test(trimmed) ? "There is a character in this name that cannot be seen." : "";
}

/** What is told is `{kind, …}`; `roundtable.js` says which kinds there are. */
export class Session {
  /**
   * @param {{name?: string, rooms?: string[], run: string}} wish  the wished name, the rooms to be in,
   *   and a text that no other client has, for the keys of what is published
   */
  constructor({ name = "", rooms = [], run }) {
    this.name = name;
    /** @type {string | null} */
    this.token = null;
    /** @type {string | null} */
    this.user = null;
    /** Every name one has had: after a lost connection it may be another one for a while. */
    this.names = new Set();
    /** Every room one wants to be in. @type {Map<string, Place>} */
    this.rooms = new Map(rooms.map((room) => [room, fresh(true)]));
    this.sayings = new Sayings(run);
    /** @type {Map<string, {kind: string, room?: string}>} */
    this.requests = new Map();
    this.nextId = 1;
    this.maxBytes = Infinity;
    this.isWelcome = false;
    this.isDraining = false;
    /** The secret that brings the session back. @type {string | null} */
    this.secret = null;
    /** The first `welcome`, while the answer to `hello` is awaited. @type {Frame | null} */
    this.greeting = null;
    /** What this server does beside rooms. */
    this.has = { keys: false, signals: false };
    this.isVerified = false;
    /** Whether the server knows the keys of before the connection was lost. */
    this.isKnown = false;
  }

  /** What was said and is not confirmed, by request id. */
  get pending() {
    return this.sayings.all;
  }

  /** What follows the server's address: the name; the rooms are asked for in frames. */
  get query() {
    return `?room=${this.name ? `&name=${encodeURIComponent(this.name)}` : ""}`;
  }

  /**
   * A frame came. `now` is in milliseconds, on a clock that never goes back.
   * @param {string} text @param {number} now @returns {Act}
   */
  receive(text, now) {
    /** @type {Frame} */
    const frame = JSON.parse(text);
    /** @type {Act} */
    const act = { send: [], news: [] };
    switch (frame.type) {
      case "welcome": this.#welcome(frame, act); break;
      case "joined": this.#joined(frame, act, now); break;
      case "message":
      case "removed": this.#entries(frame.room, [/** @type {any} */ (frame)], "live", act); break;
      case "gap": this.#gap(frame.room, frame.from, frame.to, act); break;
      case "history": this.#history(frame, act); break;
      case "ack": this.#ack(frame, act, now); break;
      case "left": this.#left(frame, act); break;
      case "presence": this.#reply(frame, act); this.#presence(frame.room, frame, act); break;
      case "signal": this.#signal(frame, act); break;
      case "error": this.#error(frame, act, now); break;
      case "bye": act.news.push({ kind: "bye", code: frame.code, reason: frame.reason, after_ms: frame.after_ms }); break;
      // What a later server says beside this is not ours to judge.
      default: this.#reply(frame, act); break;
    }
    return act;
  }

  /** The connection is gone. Returns the ids of the requests that will get no answer. */
  closed() {
    const lost = [...this.requests.keys()];
    this.isWelcome = this.isDraining = this.isKnown = false;
    this.greeting = null;
    this.requests.clear();
    for (const place of this.rooms.values()) place.isJoined = false;
    this.sayings.lost();
    return lost;
  }

  /** @param {string} room @param {{echo?: boolean}} [options] @returns {Frame[]} */
  join(room, { echo = true } = {}) {
    const place = this.rooms.get(room);
    if (!place) this.rooms.set(room, fresh(echo));
    const isNew = !place?.isJoined || place.echo !== echo;
    if (place) place.echo = echo;
    return this.isWelcome && isNew ? [this.#joining(room)] : [];
  }

  /** @param {string} room @returns {Frame[]} */
  leave(room) {
    const wasJoined = this.rooms.get(room)?.isJoined;
    this.rooms.delete(room);
    for (const { id } of this.sayings.of(room)) this.pending.delete(id);
    return wasJoined ? [this.#leaving(room)] : [];
  }

  /** What was to be tried again later is tried. @param {string} room @param {number} now @returns {Frame[]} */
  retry(room, now) {
    const place = this.rooms.get(room);
    if (!place || !this.isWelcome) return [];
    if (!place.isJoined) return [this.#joining(room)];
    /** @type {Act} */
    const act = { send: [], news: [] };
    this.#flush(room, act, now);
    return act.send;
  }

  /**
   * Says something, now or once the room is joined. Returns what was said, and what to send.
   * @param {string} room @param {any} data @param {number} at  the time, on one's own clock
   * @param {number} now
   * @returns {{said: Said, send: Frame[]}}
   */
  publish(room, data, at, now) {
    const isFree = this.rooms.get(room)?.isJoined && !this.sayings.isHeldUp(room) && !this.isDraining;
    const said = this.sayings.add(room, data, at, this.nextId++);
    return { said, send: isFree ? [this.#publishing(said, now)] : [] };
  }

  /** Says once more what nobody confirmed. @param {string} id @param {number} now @returns {Frame[]} */
  again(id, now) {
    const said = this.pending.get(id);
    if (!said) return [];
    said.state = "waiting";
    return this.retry(said.room, now);
  }

  /** @param {string} id */
  forget(id) {
    this.pending.delete(id);
  }

  /** Asks for what was said before `seq`. @param {string} room @param {number} seq @returns {Frame[]} */
  older(room, seq, limit = 50) {
    const place = this.rooms.get(room);
    if (!place?.isJoined) return [];
    const id = `h${this.nextId++}`;
    this.requests.set(id, { kind: "history", room });
    return [{ type: "history", id, room, before: { epoch: place.epoch, seq }, limit }];
  }

  /** Says something that passes: no log keeps it. @param {string} room @param {string} key @param {any} data @returns {Frame[]} */
  signal(room, key, data) {
    const isHeard = this.has.signals && this.rooms.get(room)?.isJoined;
    return isHeard ? [{ type: "signal", room, key, data }] : [];
  }

  /** Asks anything that the protocol knows. @param {Frame} frame @returns {{id: string, send: Frame[]}} */
  request(frame) {
    const id = `r${this.nextId++}`;
    this.requests.set(id, { kind: "request", room: frame.room });
    return { id, send: [{ ...frame, id }] };
  }

  /** A fresh token, for this connection and the next ones. @param {string | null} token @returns {Frame[]} */
  authenticate(token) {
    this.token = token;
    return token !== null && this.isWelcome ? this.request({ type: "auth", token }).send : [];
  }

  /** @param {string} room @returns {Frame} */
  #joining(room) {
    const place = /** @type {Place} */ (this.rooms.get(room));
    const id = `j${this.nextId++}`;
    this.requests.set(id, { kind: "join", room });
    /** @type {Frame} */
    const frame = { type: "join", id, room };
    if (place.epoch !== null) frame.since = { epoch: place.epoch, seq: place.seq };
    if (!place.echo) frame.echo = false;
    return frame;
  }

  /** @param {string} room @returns {Frame} */
  #leaving(room) {
    const id = `l${this.nextId++}`;
    this.requests.set(id, { kind: "leave", room });
    return { type: "leave", id, room };
  }

  /** @param {Said} said @param {number} now @returns {Frame} */
  #publishing(said, now) {
    return this.sayings.publishing(said, this.user, this.has.keys, now);
  }

  /** @param {string} room @param {Act} act @param {number} now */
  #flush(room, act, now) {
    if (!this.rooms.get(room)?.isJoined || this.isDraining) return;
    const next = this.sayings.next(room);
    if (next) act.send.push(this.#publishing(next, now));
  }

  /** @param {Frame} frame @param {Act} act */
  #welcome(frame, act) {
    this.maxBytes = frame.max_bytes;
    const isAnswer = frame.id !== undefined && this.requests.delete(frame.id);
    if (isAnswer) {
      this.isVerified = this.#takesTokens();
      this.#begin(frame, act);
      return;
    }
    this.greeting = frame;
    const token = this.#takesTokens() ? this.token : null;
    const resume = frame.session === undefined ? null : this.secret;
    if (token === null && resume === null) {
      this.isVerified = false;
      this.#begin(frame, act);
      return;
    }
    const id = `w${this.nextId++}`;
    this.requests.set(id, { kind: "hello" });
    /** @type {Frame} */
    const hello = { type: "hello", id };
    if (token !== null) hello.token = token;
    if (resume !== null) {
      hello.resume = resume;
      hello.since = this.#since();
    }
    act.send.push(hello);
  }

  #takesTokens() {
    return this.token !== null && (this.greeting?.auth === "optional" || this.greeting?.auth === "required");
  }

  /** What was received of each room that the session has: more may have been sent. */
  #since() {
    const held = [...this.rooms].filter(([, { isHeld, epoch }]) => isHeld && epoch !== null);
    return Object.fromEntries(held.map(([room, { epoch, seq }]) => [room, { epoch, seq }]));
  }

  /** @param {Frame} frame @param {Act} act */
  #begin(frame, act) {
    const isResumed = frame.resumed === true;
    this.isKnown = isResumed || (this.isVerified && this.user === frame.user);
    this.user = frame.user;
    this.names.add(frame.user);
    const session = frame.session ?? this.greeting?.session;
    this.secret = frame.session ?? (isResumed ? this.secret : session) ?? null;
    this.has = { keys: session !== undefined, signals: session !== undefined };
    this.isWelcome = true;
    act.news.push({ kind: "welcome", user: frame.user, isResumed });
    for (const [room, place] of this.rooms) {
      place.isHeld &&= isResumed;
      if (!place.isHeld) act.send.push(this.#joining(room));
    }
  }

  /** @param {Frame} frame @param {Act} act @param {number} now */
  #joined(frame, act, now) {
    this.requests.delete(frame.id);
    const place = this.rooms.get(frame.room);
    if (!place) {
      act.send.push(this.#leaving(frame.room));
      return;
    }
    // A log that is behind what one has seen is another one, whatever it is called.
    const isNewRun = place.epoch !== null && (place.epoch !== frame.epoch || frame.reason === "ahead");
    const isFresh = place.epoch === null || isNewRun;
    const before = place.seq;
    if (isNewRun) act.news.push(...this.sayings.takeConfirmed(frame.room, 0, Infinity).map(confirmed));
    place.isJoined = place.isHeld = true;
    place.epoch = frame.epoch;
    const { reason, recovered } = frame;
    act.news.push({ kind: "joined", room: frame.room, isFresh, isNewRun, recovered, reason, more: frame.more });
    if (frame.gap) this.#gap(frame.room, frame.gap.from, frame.gap.to, act);
    /** @type {Entry[]} */
    const history = frame.history;
    const items = history.filter((item) => isFresh || item.seq > before);
    // Where its key is known, its words need not prove anything.
    if (this.isKnown && !isNewRun) this.sayings.repeat(frame.room, now);
    this.#entries(frame.room, items, isFresh ? "history" : "missed", act);
    place.seq = frame.seq;
    place.own.clear();
    if (frame.members) this.#presence(frame.room, frame.members, act);
    const unsure = this.sayings.of(frame.room).filter(({ state }) => state === "unsure");
    act.news.push(...unsure.map((said) => ({ kind: "unsure", said })));
    this.#flush(frame.room, act, now);
  }

  /** Entries in their order: live, missed, or the history of a room. One's own that was not acknowledged is known by its words. @param {string} room @param {Entry[]} items @param {"live" | "missed" | "history"} how @param {Act} act */
  #entries(room, items, how, act) {
    const place = this.rooms.get(room);
    if (!place) return;
    for (const item of items) {
      place.seq = Math.max(place.seq, item.seq);
      advance(place);
      if (item.removes !== undefined) {
        act.news.push({ kind: "removed", room, seq: item.removes, from: item.from });
        continue;
      }
      const hadItsName = this.names.has(item.from);
      const said = hadItsName ? this.sayings.take(room, item) : undefined;
      // A name of before may be somebody else's by the time something new is said under it.
      const isMine = said !== undefined || (how === "live" ? item.from === this.user : hadItsName);
      act.news.push({ kind: "entry", room, item, how, isMine, said });
    }
  }

  /** A gap, but for what one said oneself in it and knows to be there. @param {string} room @param {number} from @param {number} to @param {Act} act */
  #gap(room, from, to, act) {
    const place = this.rooms.get(room);
    if (!place) return;
    place.seq = Math.max(place.seq, to);
    advance(place);
    let start = from;
    for (const said of this.sayings.takeConfirmed(room, from, to)) {
      const seq = /** @type {number} */ (said.seq);
      if (start < seq) act.news.push({ kind: "gap", room, from: start, to: seq - 1 });
      act.news.push(confirmed(said));
      start = seq + 1;
    }
    if (start <= to) act.news.push({ kind: "gap", room, from: start, to });
  }

  /** @param {Frame} frame @param {Act} act */
  #history(frame, act) {
    this.requests.delete(frame.id);
    const isSameRun = this.rooms.get(frame.room)?.epoch === frame.epoch;
    // What was removed says so itself.
    const items = isSameRun ? frame.items.filter((/** @type {Entry} */ item) => item.removes === undefined) : [];
    act.news.push({ kind: "older", id: frame.id, room: frame.room, items, more: isSameRun && frame.more });
  }

  /** @param {Frame} frame @param {Act} act @param {number} now */
  #ack(frame, act, now) {
    const said = this.pending.get(frame.id);
    if (!said) return this.#reply(frame, act);
    said.state = "acknowledged";
    said.seq = frame.seq;
    const place = this.rooms.get(said.room);
    if (place && place.epoch === frame.epoch) {
      const isPast = frame.seq <= place.seq;
      if (!place.echo && !isPast) place.own.add(frame.seq);
      advance(place);
      // What lies behind the cursor, or has no echo, is not heard again.
      if (isPast || !place.echo) this.pending.delete(said.id);
    }
    act.news.push({ kind: "ack", said, epoch: frame.epoch, seq: frame.seq, isDuplicate: frame.duplicate === true });
    this.#flush(said.room, act, now);
  }

  /** A room that was left and joined again meanwhile is not left by the answer to the first. @param {Frame} frame @param {Act} act */
  #left(frame, act) {
    if (this.requests.delete(frame.id)) return;
    if (this.rooms.delete(frame.room)) act.news.push({ kind: "left", room: frame.room, reason: frame.reason });
  }

  /** @param {string} room @param {any} frame @param {Act} act */
  #presence(room, frame, act) {
    const place = this.rooms.get(room);
    if (!place) return;
    const { members, came, went } = fold(place.members, frame);
    place.members = members;
    act.news.push({ kind: "presence", room, members, came, went });
  }

  /** @param {Frame} frame @param {Act} act */
  #signal({ room, from, key, data, ttl_ms }, act) {
    if (this.rooms.get(room)?.isJoined) act.news.push({ kind: "signal", room, from, key, data, ttl_ms });
  }

  /** @param {Frame} frame @param {Act} act */
  #reply(frame, act) {
    if (this.requests.delete(frame.id)) act.news.push({ kind: "reply", id: frame.id, frame });
  }

  /** @param {Frame} frame @param {Act} act @param {number} now */
  #error(frame, act, now) {
    const request = this.requests.get(frame.id);
    this.requests.delete(frame.id);
    if (request?.kind === "hello") return this.#helloRefused(frame, act);
    const said = this.pending.get(frame.id);
    if (said) return this.#publishRefused(said, frame, act, now);
    // Signals and nothing else go without an id and may be unknown to a server.
    if (frame.code === "unsupported" && frame.id === undefined) {
      this.has.signals = false;
      return;
    }
    if (request?.kind === "join" && request.room !== undefined) {
      // Many rooms at once may be too fast, and a server that stops comes back: then again later.
      const isPassing = frame.code === "rate_limited" || frame.code === "draining";
      if (!isPassing) this.rooms.delete(request.room);
      if (frame.code === "rate_limited") return this.#later(request.room, frame, act);
    }
    act.news.push({ kind: "error", error: frame, request });
  }

  /** A server that cannot resume is a server to begin anew with; one that refuses a token is not. @param {Frame} frame @param {Act} act */
  #helloRefused(frame, act) {
    const isAboutToken = ["unauthorized", "token_expired", "forbidden"].includes(frame.code);
    if (isAboutToken) act.news.push({ kind: "refused", error: frame });
    else if (this.greeting) this.#begin(this.greeting, act);
  }

  /** @param {Said} said @param {Frame} frame @param {Act} act @param {number} now */
  #publishRefused(said, frame, act, now) {
    const { isQueued } = said;
    said.isQueued = false;
    // A server that stops has not taken it: it goes out to the one that comes back.
    if (frame.code === "draining") this.isDraining = true;
    const isUnkeyed = frame.code === "unsupported" && this.has.keys;
    if (isUnkeyed) this.has.keys = false;
    const isTooFast = frame.code === "rate_limited" && isQueued;
    said.state = frame.code === "draining" || isUnkeyed || isTooFast ? "waiting" : "refused";
    if (isTooFast) return this.#later(said.room, frame, act);
    if (!isUnkeyed) act.news.push({ kind: "error", error: frame, said });
    this.#flush(said.room, act, now);
  }

  /** @param {string} room @param {Frame} frame @param {Act} act */
  #later(room, frame, act) {
    act.news.push({ kind: "later", room, afterMs: frame.retry_after_ms ?? 1000 });
  }
}

/** @param {boolean} echo @returns {Place} */
function fresh(echo) {
  return { epoch: null, seq: 0, isJoined: false, isHeld: false, echo, own: new Set(), members: null };
}

/** Moves the cursor over places that are one's own. @param {Place} place */
function advance(place) {
  while (place.own.delete(place.seq + 1)) place.seq += 1;
}

/** @param {Said} said */
function confirmed(said) {
  const item = { seq: said.seq, from: said.from, data: said.data, ts: said.at };
  return { kind: "entry", room: said.room, item, how: "live", isMine: true, said };
}
