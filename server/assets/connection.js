// A client's side of `roundtable.v1`, as a state machine: frames and closings in, frames and news
// out. This file knows no socket, no clock and no page; chance and time are handed in.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15000;
const LONGEST_NAME = 32;
/** Control characters, and what is not seen or turns the direction of writing. */
const NOT_IN_NAMES =
  /[\p{Cc}\p{Cs}\u00AD\u034F\u061C\u115F\u1160\u180E\u200B\u200E\u200F\u2028-\u202E\u2060-\u206F\u3164\uFEFF\uFFA0\uFFF9-\uFFFB\u{E0000}-\u{E0FFF}]/u;

/** What is wrong with the name of a person or a room; empty if nothing is. */
export function troubleWith(name) {
  const trimmed = name.trim();
  if (!trimmed) return "A name needs at least one letter.";
  if ([...trimmed].length > LONGEST_NAME) return `A name has at most ${LONGEST_NAME} characters.`;
  return NOT_IN_NAMES.test(trimmed) ? "There is a character in this name that cannot be seen." : "";
}

/** What the page is told: each news is `{kind, …}`. */
export class Session {
  /**
   * @param {{name: string, rooms: string[], random: () => number}} wish  the wished name, the rooms
   *   to be in, and a source of numbers from 0 to 1 for the spread of reconnects
   */
  constructor({ name, rooms, random }) {
    this.name = name;
    this.user = null;
    /** Every name one has had: after a lost connection it may be another one for a while. */
    this.names = new Set();
    this.random = random;
    /** Every room one wants to be in: where its cursor stands, and whether the server knows. */
    this.rooms = new Map(rooms.map((room) => [room, fresh()]));
    /** What was said and is not acknowledged, by request id. */
    this.pending = new Map();
    this.requests = new Map();
    this.nextId = 1;
    this.attempts = 0;
    /** The server's word of farewell, which a browser may get without the code of the close. */
    this.farewell = null;
    this.maxBytes = Infinity;
    this.isWelcome = false;
  }

  /** The connection has held for a while: the next loss is not one of a series. */
  settled() {
    this.attempts = 0;
  }

  /** Where to connect: the name in the URL, the rooms asked for in frames, with their cursors. */
  get path() {
    return `/ws?room=&name=${encodeURIComponent(this.name)}`;
  }

  /** A frame came. Returns `{send, news}`. */
  receive(text) {
    const frame = JSON.parse(text);
    const act = { send: [], news: [] };
    switch (frame.type) {
      case "welcome": this.#welcome(frame, act); break;
      case "joined": this.#joined(frame, act); break;
      case "message": this.#entries(frame.room, [frame], "live", act); break;
      case "gap": this.#gap(frame.room, frame.from, frame.to, act); break;
      case "history": this.#history(frame, act); break;
      case "ack": this.#ack(frame, act); break;
      case "left": this.#left(frame, act); break;
      case "error": this.#error(frame, act); break;
      case "bye": this.#bye(frame, act); break;
      // What a later server says beside this is not ours to judge.
      default: break;
    }
    return act;
  }

  /** The connection is gone. Returns when to come back, in milliseconds; null for never. */
  closed(code) {
    const wait = this.#wait(code);
    this.isWelcome = false;
    this.farewell = null;
    this.requests.clear();
    for (const room of this.rooms.values()) room.isJoined = false;
    for (const said of this.pending.values()) {
      if (said.state === "sent") said.state = "unsure";
    }
    return wait;
  }

  join(room) {
    if (!this.rooms.has(room)) this.rooms.set(room, fresh());
    return this.isWelcome && !this.rooms.get(room).isJoined ? [this.#joining(room)] : [];
  }

  leave(room) {
    const wasJoined = this.rooms.get(room)?.isJoined;
    this.rooms.delete(room);
    for (const [id, said] of this.pending) if (said.room === room) this.pending.delete(id);
    return wasJoined ? [this.#leaving(room)] : [];
  }

  /**
   * Says something, now or once the room is joined; `at` is the time on one's own clock. Returns
   * what was said, and what to send.
   */
  publish(room, data, at) {
    const said = { id: `m${this.nextId++}`, room, data, at, state: "waiting", seq: null };
    this.pending.set(said.id, said);
    return { said, send: this.rooms.get(room)?.isJoined ? [this.#publishing(said)] : [] };
  }

  /** Says once more what nobody confirmed. */
  again(id) {
    const said = this.pending.get(id);
    if (!said) return [];
    said.state = "waiting";
    return this.rooms.get(said.room)?.isJoined ? [this.#publishing(said)] : [];
  }

  forget(id) {
    this.pending.delete(id);
  }

  /** Asks for what was said before `seq`. */
  older(room, seq) {
    const at = this.rooms.get(room);
    if (!at?.isJoined) return [];
    const id = `h${this.nextId++}`;
    this.requests.set(id, { kind: "history", room });
    return [{ type: "history", id, room, before: { epoch: at.epoch, seq }, limit: 50 }];
  }

  #joining(room) {
    const at = this.rooms.get(room);
    const id = `j${this.nextId++}`;
    this.requests.set(id, { kind: "join", room });
    const frame = { type: "join", id, room };
    if (at.epoch !== null) frame.since = { epoch: at.epoch, seq: at.seq };
    return frame;
  }

  #leaving(room) {
    const id = `l${this.nextId++}`;
    this.requests.set(id, { kind: "leave", room });
    return { type: "leave", id, room };
  }

  #publishing(said) {
    said.state = "sent";
    said.from = this.user;
    return { type: "publish", id: said.id, room: said.room, data: said.data };
  }

  #welcome(frame, act) {
    this.user = frame.user;
    this.names.add(frame.user);
    this.maxBytes = frame.max_bytes;
    this.isWelcome = true;
    act.news.push({ kind: "welcome", user: frame.user });
    for (const room of this.rooms.keys()) act.send.push(this.#joining(room));
  }

  #joined(frame, act) {
    this.requests.delete(frame.id);
    const at = this.rooms.get(frame.room);
    if (!at) {
      act.send.push(this.#leaving(frame.room));
      return;
    }
    // A log that is behind what one has seen is another one, whatever it is called.
    const isNewRun = at.epoch !== null && (at.epoch !== frame.epoch || frame.reason === "ahead");
    const isFresh = at.epoch === null || isNewRun;
    const before = at.seq;
    if (isNewRun) act.news.push(...this.#takeConfirmed(frame.room, 0, Infinity).map(confirmed));
    at.isJoined = true;
    at.epoch = frame.epoch;
    act.news.push({ kind: "joined", room: frame.room, isFresh, isNewRun, more: frame.more });
    if (frame.gap) this.#gap(frame.room, frame.gap.from, frame.gap.to, act);
    const isRead = (item) => !isFresh && item.seq <= before;
    const items = frame.history.filter((item) => !isRead(item));
    this.#entries(frame.room, items, isFresh ? "history" : "missed", act);
    at.seq = frame.seq;
    for (const said of this.pending.values()) {
      if (said.room !== frame.room) continue;
      if (said.state === "waiting") act.send.push(this.#publishing(said));
      else if (said.state === "unsure") act.news.push({ kind: "unsure", said });
    }
  }

  /** Entries in their order: live, missed, or the history of a room. One's own that was not acknowledged is known by its words. */
  #entries(room, items, how, act) {
    const at = this.rooms.get(room);
    if (!at) return;
    for (const item of items) {
      at.seq = Math.max(at.seq, item.seq);
      const hadItsName = this.names.has(item.from);
      const said = hadItsName ? this.#sayingOf(room, item) : undefined;
      if (said) this.pending.delete(said.id);
      // A name of before may be somebody else's by the time something new is said under it.
      const isMine = said !== undefined || (how === "live" ? item.from === this.user : hadItsName);
      act.news.push({ kind: "entry", room, item, how, isMine, said });
    }
  }

  #sayingOf(room, item) {
    const candidates = [...this.pending.values()].filter((said) => said.room === room);
    const isIt = (said) => said.state === "unsure" && same(said.data, item.data);
    return candidates.find((said) => said.seq === item.seq) ?? candidates.find(isIt);
  }

  /** A gap, but for what one said oneself in it and knows to be there. */
  #gap(room, from, to, act) {
    const at = this.rooms.get(room);
    if (!at) return;
    at.seq = Math.max(at.seq, to);
    let start = from;
    for (const said of this.#takeConfirmed(room, from, to)) {
      if (start < said.seq) act.news.push({ kind: "gap", room, from: start, to: said.seq - 1 });
      act.news.push(confirmed(said));
      start = said.seq + 1;
    }
    if (start <= to) act.news.push({ kind: "gap", room, from: start, to });
  }

  /** What was acknowledged at these places and will not be heard again. */
  #takeConfirmed(room, from, to) {
    const isThere = (said) => said.state === "acknowledged" && said.seq >= from && said.seq <= to;
    const taken = [...this.pending.values()].filter((said) => said.room === room && isThere(said));
    taken.forEach((said) => this.pending.delete(said.id));
    return taken;
  }

  #history(frame, act) {
    this.requests.delete(frame.id);
    const isSameRun = this.rooms.get(frame.room)?.epoch === frame.epoch;
    const items = isSameRun ? frame.items : [];
    act.news.push({ kind: "older", room: frame.room, items, more: isSameRun && frame.more });
  }

  #ack(frame, act) {
    const said = this.pending.get(frame.id);
    if (!said) return;
    said.state = "acknowledged";
    said.seq = frame.seq;
    act.news.push({ kind: "ack", said });
  }

  /** A room that was left and joined again meanwhile is not left by the answer to the first. */
  #left(frame, act) {
    if (this.requests.delete(frame.id)) return;
    if (this.rooms.delete(frame.room)) act.news.push({ kind: "left", room: frame.room });
  }

  #error(frame, act) {
    const said = this.pending.get(frame.id);
    // A server that stops has not taken it: it goes out to the one that comes back.
    if (said) said.state = frame.code === "draining" ? "waiting" : "refused";
    const request = this.requests.get(frame.id);
    this.requests.delete(frame.id);
    if (request?.kind === "join") {
      // Many rooms at once may be too fast, and a server that stops comes back: then again later.
      const isPassing = frame.code === "rate_limited" || frame.code === "draining";
      if (!isPassing) this.rooms.delete(request.room);
      if (frame.code === "rate_limited") {
        act.news.push({ kind: "later", room: request.room, afterMs: frame.retry_after_ms ?? 1000 });
        return;
      }
    }
    act.news.push({ kind: "error", error: frame, said, request });
  }

  #bye(frame, act) {
    this.farewell = frame;
    act.news.push({ kind: "bye", code: frame.code, reason: frame.reason });
  }

  /** 4500 and above say «don't»; else twice as long each time, spread so that nobody comes in step. */
  #wait(code) {
    const reason = this.farewell?.code ?? code;
    if (reason >= 4500 && reason <= 4999) return null;
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.attempts);
    this.attempts += 1;
    const spread = longest * (0.2 + 0.8 * this.random());
    const after = this.farewell?.after_ms;
    return Math.round(after === undefined ? spread : after + spread / 2);
  }
}

function fresh() {
  return { epoch: null, seq: 0, isJoined: false };
}

function confirmed(said) {
  const item = { seq: said.seq, from: said.from, data: said.data, ts: said.at };
  return { kind: "entry", room: said.room, item, how: "live", isMine: true, said };
}

function same(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}
