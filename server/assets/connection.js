// A client's side of `roundtable.v1`, as a state machine: frames and closings in, frames and news
// out. This file knows no socket, no clock and no page; chance and time are handed in.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15000;

/** What the page is told: each news is `{kind, …}`. */
export class Session {
  /**
   * @param {{name: string, rooms: string[], random: () => number}} wish  the wished name, the rooms
   *   to be in, and a source of numbers from 0 to 1 for the spread of reconnects
   */
  constructor({ name, rooms, random }) {
    this.name = name;
    this.user = name;
    this.names = new Set([name]);
    this.random = random;
    /** Every room one wants to be in: where its cursor stands, and whether the server knows. */
    this.rooms = new Map(rooms.map((room) => [room, fresh()]));
    /** What was said and is not acknowledged, by request id. */
    this.pending = new Map();
    this.requests = new Map();
    this.nextId = 1;
    this.attempts = 0;
    this.afterMs = null;
    this.maxBytes = Infinity;
    this.isWelcome = false;
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
    this.afterMs = null;
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
    return wasJoined ? [{ type: "leave", room }] : [];
  }

  /** Says something, now or once the room is joined. Returns what was said, and what to send. */
  publish(room, data) {
    const said = { id: `m${this.nextId++}`, room, data, state: "waiting", seq: null };
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

  #publishing(said) {
    said.state = "sent";
    return { type: "publish", id: said.id, room: said.room, data: said.data };
  }

  #welcome(frame, act) {
    this.user = frame.user;
    this.names.add(frame.user);
    this.maxBytes = frame.max_bytes;
    this.isWelcome = true;
    this.attempts = 0;
    act.news.push({ kind: "welcome", user: frame.user });
    for (const room of this.rooms.keys()) act.send.push(this.#joining(room));
  }

  #joined(frame, act) {
    this.requests.delete(frame.id);
    const at = this.rooms.get(frame.room);
    if (!at) {
      act.send.push({ type: "leave", room: frame.room });
      return;
    }
    // A log that is behind what one has seen is another one, whatever it is called.
    const isNewRun = at.epoch !== null && (at.epoch !== frame.epoch || frame.reason === "ahead");
    const isFresh = at.epoch === null || isNewRun;
    const before = at.seq;
    at.isJoined = true;
    at.epoch = frame.epoch;
    act.news.push({ kind: "joined", room: frame.room, isFresh, isNewRun, more: frame.more });
    if (frame.gap) this.#gap(frame.room, frame.gap.from, frame.gap.to, act);
    const isRead = (item) => !isFresh && item.seq <= before;
    const items = frame.history.filter((item) => !isRead(item));
    this.#entries(frame.room, items, "history", act);
    at.seq = frame.seq;
    for (const said of this.pending.values()) {
      if (said.room !== frame.room) continue;
      if (said.state === "waiting") act.send.push(this.#publishing(said));
      else if (said.state === "unsure") act.news.push({ kind: "unsure", said });
    }
  }

  /** Entries in their order. One's own that was not acknowledged is known by its words. */
  #entries(room, items, how, act) {
    const at = this.rooms.get(room);
    if (!at) return;
    for (const item of items) {
      at.seq = Math.max(at.seq, item.seq);
      const isMine = this.names.has(item.from);
      const said = isMine ? this.#sayingOf(room, item) : undefined;
      if (said) this.pending.delete(said.id);
      act.news.push({ kind: "entry", room, item, how, isMine, said });
    }
  }

  #sayingOf(room, item) {
    const candidates = [...this.pending.values()].filter((said) => said.room === room);
    const isIt = (said) => said.state === "unsure" && same(said.data, item.data);
    return candidates.find((said) => said.seq === item.seq) ?? candidates.find(isIt);
  }

  #gap(room, from, to, act) {
    const at = this.rooms.get(room);
    if (!at) return;
    at.seq = Math.max(at.seq, to);
    act.news.push({ kind: "gap", room, from, to });
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

  #left(frame, act) {
    if (this.rooms.delete(frame.room)) act.news.push({ kind: "left", room: frame.room });
  }

  #error(frame, act) {
    const said = this.pending.get(frame.id);
    if (said) said.state = "refused";
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
    this.afterMs = frame.after_ms ?? null;
    act.news.push({ kind: "bye", code: frame.code, reason: frame.reason });
  }

  /** 4500 and above say «don't»; else twice as long each time, spread so that nobody comes in step. */
  #wait(code) {
    if (code >= 4500 && code <= 4999) return null;
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.attempts);
    this.attempts += 1;
    const spread = longest * (0.2 + 0.8 * this.random());
    return Math.round(this.afterMs === null ? spread : this.afterMs + spread / 2);
  }
}

function fresh() {
  return { epoch: null, seq: 0, isJoined: false };
}

function same(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}
