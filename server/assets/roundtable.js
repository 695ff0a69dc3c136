// A client for Roundtable, for browsers and Node, without dependencies:
//
//     import { Roundtable } from "/roundtable.js";
//     const table = new Roundtable("/ws", { name: "ann", rooms: ["lobby"] });
//     table.on("entry", ({ room, item }) => console.log(room, item.from, item.data));
//     table.open();
//     await table.publish("lobby", "hello");
//
// It comes back by itself after a lost connection, to where it was; what it says then is said once and
// in order. This file holds the socket and the timers: `line.js` decides when to connect, `session.js`
// what is said.

import { IDLE, step } from "./line.js";
import { Session, troubleWith } from "./session.js";

export { Session, troubleWith };

/** @typedef {import("./session.js").Entry} Entry */
/** @typedef {import("./session.js").Frame} Frame */
/** @typedef {import("./session.js").Members} Members */
/** @typedef {import("./sayings.js").Said} Said */
/** @typedef {import("./line.js").LineEffect} LineEffect */
/** @typedef {import("./line.js").LineEvent} LineEvent */
/** @typedef {import("./line.js").TimerName} TimerName */

/**
 * What is told, by kind.
 *
 * - `state`: whether the server can be reached; offline with the time until the next try, null for none
 * - `welcome`: one's name there, and whether the session is the one of before
 * - `joined`: a room is at hand; its entries follow
 * - `entry`: something was said; `missed` while the connection was lost, or before one came (`history`)
 * - `gap`: these places are missing, both included
 * - `older`: the answer to `older`
 * - `removed`: a moderator, or without `from` an operator, took away what stood at this place
 * - `left`: one is no longer in a room, without having asked for it
 * - `presence`: who is in a room; `came` and `went` against the time before
 * - `signal`: something that passes, like typing; `isOver` when its time has run out
 * - `ack`: what one said has its place
 * - `unsure`: nobody knows whether it arrived: `again` or `forget` it
 * - `error`: the server refused something
 * - `refused`: the server refused the token, and the connection was closed
 * - `bye`: the server closes
 * - `news`: all that one frame brought, for a page that draws once
 * @typedef {object} Events
 * @property {{state: "connecting" | "online" | "offline", afterMs: number | null}} state
 * @property {{user: string, isResumed: boolean}} welcome
 * @property {{room: string, isFresh: boolean, isNewRun: boolean, recovered: boolean, reason?: string, more: boolean}} joined
 * @property {{room: string, item: Entry, how: "live" | "missed" | "history", isMine: boolean, said?: Said}} entry
 * @property {{room: string, from: number, to: number}} gap
 * @property {{room: string, items: Entry[], more: boolean}} older
 * @property {{room: string, seq: number, from?: string}} removed
 * @property {{room: string, reason?: string}} left
 * @property {{room: string, members: Members, came: string[], went: string[]}} presence
 * @property {{room: string, from: string, key: string, data: any, isOver: boolean}} signal
 * @property {{said: Said, epoch: string, seq: number, isDuplicate: boolean}} ack
 * @property {{said: Said}} unsure
 * @property {{error: Frame, request?: {kind: string, room?: string}, said?: Said}} error
 * @property {{error: Frame}} refused
 * @property {{code: number, reason: string}} bye
 * @property {any[]} news
 */

/** @typedef {{epoch: string, seq: number, isDuplicate: boolean}} Ack */
/** @typedef {{resolve: (value: any) => void, reject: (error: Error) => void}} Waiter */

/** An answer that was no answer: the server refused, or the connection was lost. */
export class RequestError extends Error {
  /** @param {string} code @param {string} message @param {Frame} [frame] */
  constructor(code, message, frame) {
    super(message);
    this.name = "RequestError";
    /** A code of the protocol, or `lost`, `left` or `closed`. */
    this.code = code;
    this.frame = frame;
  }
}

export class Roundtable extends EventTarget {
  #url;
  #random;
  #tokens;
  /** @type {any} */
  #socket = null;
  #Socket;
  #line = IDLE;
  /** @type {Map<TimerName, any>} */
  #timers = new Map();
  /** Timers of what was put off, and of signals. @type {Map<string, any>} */
  #others = new Map();
  /** @type {Map<string, Waiter>} */
  #waiters = new Map();

  /**
   * @param {string | URL} url  the server's `/ws`; in a page it may be relative
   * @param {object} [options]
   * @param {string} [options.name]  the wished name; the server makes one up without
   * @param {string[]} [options.rooms]  the rooms to be in
   * @param {string | (() => string | Promise<string>)} [options.token]  a token, or what fetches one
   *   before each connection and when one expires
   * @param {any} [options.WebSocket]  where there is none, a class that is like the browser's
   * @param {() => number} [options.random]  numbers from 0 to 1, for the spread of reconnects
   */
  constructor(url, { name, rooms, token, WebSocket = globalThis.WebSocket, random = Math.random } = {}) {
    super();
    this.#url = address(url);
    this.#random = random;
    this.#tokens = token ?? null;
    this.#Socket = WebSocket;
    const run = Array.from({ length: 4 }, () => Math.floor(random() * 2 ** 32).toString(36)).join("");
    /** What is said and heard: read it, and act through this class. */
    this.session = new Session({ name, rooms, run });
  }

  get isOnline() {
    return this.#line.phase === "online";
  }

  /**
   * Calls `listener` with each news of a kind, until the returned function is called.
   * @template {keyof Events} K
   * @param {K} kind @param {(news: Events[K]) => void} listener
   * @returns {() => void}
   */
  on(kind, listener) {
    const hear = (/** @type {Event} */ event) => listener(/** @type {CustomEvent} */ (event).detail);
    this.addEventListener(kind, hear);
    return () => this.removeEventListener(kind, hear);
  }

  /** Connects, and comes back from now on. */
  open() {
    this.#happen({ kind: "open" });
  }

  /** Hangs up, for good. What was not confirmed stays in `session.pending`. */
  close() {
    if (this.isOnline) this.#send([{ type: "bye" }]);
    this.#happen({ kind: "close" });
    for (const timer of this.#others.values()) clearTimeout(timer);
    this.#others.clear();
    this.session.closed();
    for (const { reject } of this.#waiters.values()) reject(new RequestError("closed", "the client was closed"));
    this.#waiters.clear();
  }

  /** After a sleep, or on another network, the connection may be gone without a word. */
  lookAgain() {
    this.#happen({ kind: "nudge" });
  }

  /** @param {string} room @param {{echo?: boolean}} [options]  without `echo` one's own is not heard */
  join(room, options) {
    this.#send(this.session.join(room, options));
  }

  /** @param {string} room */
  leave(room) {
    const left = this.session.sayings.of(room);
    this.#send(this.session.leave(room));
    for (const { id } of left) this.#settle(id)?.reject(new RequestError("left", "the room was left"));
  }

  /**
   * Says something, now or when the server can be reached again. The promise waits for the server's
   * answer, across lost connections; it is rejected where the server refuses.
   * @param {string} room @param {any} data @returns {Promise<Ack>}
   */
  publish(room, data) {
    const { said, send } = this.session.publish(room, data, Date.now(), this.#now());
    return this.#await(said.id, send);
  }

  /** Says once more what nobody confirmed. @param {string} id */
  again(id) {
    this.#send(this.session.again(id, this.#now()));
  }

  /** @param {string} id */
  forget(id) {
    this.session.forget(id);
    this.#settle(id)?.reject(new RequestError("closed", "it was given up"));
  }

  /** Asks for what was said before a place; it comes as `older`. @param {string} room @param {number} seq @param {number} [limit] */
  older(room, seq, limit) {
    this.#send(this.session.older(room, seq, limit));
  }

  /** Tells those who are there something that passes. @param {string} room @param {string} key @param {any} data */
  signal(room, key, data) {
    this.#send(this.session.signal(room, key, data));
  }

  /**
   * Asks anything else that the protocol knows: `presence`, `kick`, `ban`, `remove`.
   * @param {Frame} frame  without `id` @returns {Promise<Frame>}
   */
  request(frame) {
    if (!this.isOnline) return Promise.reject(new RequestError("lost", "there is no connection"));
    const { id, send } = this.session.request(frame);
    return this.#await(id, send);
  }

  /** Another token, for this connection and the next ones. @param {string} token */
  authenticate(token) {
    if (typeof this.#tokens !== "function") this.#tokens = token;
    this.#send(this.session.authenticate(token));
  }

  /** @param {string} id @param {Frame[]} frames @returns {Promise<any>} */
  #await(id, frames) {
    const answer = new Promise((resolve, reject) => this.#waiters.set(id, { resolve, reject }));
    // Whoever looks at the news instead need not look here.
    answer.catch(() => {});
    this.#send(frames);
    return answer;
  }

  /** @param {string | undefined} id */
  #settle(id) {
    const waiter = id === undefined ? undefined : this.#waiters.get(id);
    if (id !== undefined) this.#waiters.delete(id);
    return waiter;
  }

  #now() {
    return performance.now();
  }

  /** @param {Frame[]} frames */
  #send(frames) {
    if (this.#socket?.readyState !== 1) return;
    for (const frame of frames) {
      this.#socket.send(JSON.stringify(frame));
      // A signal has no answer.
      if (frame.type !== "signal") this.#happen({ kind: "asked" });
    }
  }

  /** @param {LineEvent} event */
  #happen(event) {
    const { state, effects } = step(this.#line, event);
    this.#line = state;
    for (const effect of effects) this.#do(effect);
  }

  /** @param {LineEffect} effect */
  #do(effect) {
    switch (effect.kind) {
      case "connect": this.#connect(); break;
      case "ping": this.#send([{ type: "ping" }]); break;
      case "hangUp": this.#hangUp(effect.code); break;
      case "start": this.#start(effect.timer, effect.afterMs); break;
      case "stop":
        clearTimeout(this.#timers.get(effect.timer));
        this.#timers.delete(effect.timer);
        break;
      case "lost": this.#lost(effect.afterMs); break;
    }
  }

  /** @param {TimerName} timer @param {number} afterMs */
  #start(timer, afterMs) {
    clearTimeout(this.#timers.get(timer));
    const ring = () => {
      this.#timers.delete(timer);
      this.#happen(timer === "silence" ? { kind: timer, chance: this.#random() } : { kind: timer });
    };
    this.#timers.set(timer, setTimeout(ring, afterMs));
  }

  #connect() {
    this.#tell("state", { state: "connecting", afterMs: null });
    const socket = new this.#Socket(`${this.#url}${this.session.query}`, "roundtable.v1");
    this.#socket = socket;
    const token = this.#token();
    // In order, though the first ones wait for the token.
    let before = token;
    socket.addEventListener("message", (/** @type {MessageEvent} */ { data }) => {
      if (before === null) return this.#hear(socket, data);
      before = before.then(() => this.#hear(socket, data));
    });
    token?.then(() => { before = null; });
    socket.addEventListener("close", (/** @type {CloseEvent} */ { code }) => {
      if (this.#socket === socket) this.#happen({ kind: "closed", code, chance: this.#random() });
    });
    // The close that follows says all that there is to know.
    socket.addEventListener("error", () => {});
  }

  /** The token is there, or is being fetched: then a promise. @returns {Promise<void> | null} */
  #token() {
    if (typeof this.#tokens !== "function") {
      this.session.token = this.#tokens;
      return null;
    }
    const fetching = Promise.resolve().then(this.#tokens);
    return fetching.then((token) => { this.session.token = token; }, (error) => {
      const frame = { type: "error", code: "unauthorized", message: String(error) };
      this.#tell("error", { error: frame, request: { kind: "token" } });
    });
  }

  /** @param {any} socket @param {string} text */
  #hear(socket, text) {
    if (this.#socket !== socket) return;
    this.#happen({ kind: "heard" });
    const { send, news } = this.session.receive(text, this.#now());
    if (news.some(({ kind }) => kind === "welcome")) this.#happen({ kind: "welcomed" });
    this.#send(send);
    for (const piece of news) this.#take(piece);
    if (news.length > 0) this.#tell("news", news);
  }

  /** What one piece of news means here, before others hear of it. @param {any} news */
  #take(news) {
    const { kind, ...detail } = news;
    switch (kind) {
      case "welcome": this.#tell("state", { state: "online", afterMs: null }); break;
      case "ack": this.#settle(news.said.id)?.resolve(ackOf(news)); break;
      case "reply": this.#settle(news.id)?.resolve(news.frame); return;
      case "entry": this.#confirm(news); break;
      case "error": this.#refuse(news); break;
      case "later": this.#later(news); return;
      case "signal": this.#signal(news); return;
      case "bye": this.#happen({ kind: "bye", code: news.code, after_ms: news.after_ms }); break;
      case "refused": this.#tell(kind, detail); this.#happen({ kind: "bye", code: 4501 }); this.#socket?.close(1000); return;
    }
    this.#tell(kind, detail);
  }

  /** Heard is as good as acknowledged. @param {any} news */
  #confirm({ said, item, room }) {
    const epoch = this.session.rooms.get(room)?.epoch;
    this.#settle(said?.id)?.resolve({ epoch, seq: item.seq, isDuplicate: false });
  }

  /** @param {any} news */
  #refuse({ error, said }) {
    const isPassing = said?.state === "waiting";
    if (!isPassing) this.#settle(said?.id ?? error.id)?.reject(new RequestError(error.code, error.message, error));
    if (error.code !== "token_expired" || typeof this.#tokens !== "function") return;
    this.#token()?.then(() => this.#send(this.session.authenticate(this.session.token)));
  }

  /** @param {any} news */
  #later({ room, afterMs }) {
    const again = () => this.#send(this.session.retry(room, this.#now()));
    this.#after(`later ${room}`, afterMs, again);
  }

  /** Forgets a signal when its time has run out. @param {any} news */
  #signal({ room, from, key, data, ttl_ms }) {
    this.#tell("signal", { room, from, key, data, isOver: false });
    const over = () => this.#tell("signal", { room, from, key, data: null, isOver: true });
    this.#after(JSON.stringify([room, from, key]), ttl_ms ?? 5000, over);
  }

  /** @param {string} name @param {number} afterMs @param {() => void} act */
  #after(name, afterMs, act) {
    clearTimeout(this.#others.get(name));
    this.#others.set(name, setTimeout(() => { this.#others.delete(name); act(); }, afterMs));
  }

  /** @param {number | undefined} code */
  #hangUp(code) {
    const gone = this.#socket;
    this.#socket = null;
    gone?.close(code);
  }

  /** @param {number | null} afterMs */
  #lost(afterMs) {
    this.#socket = null;
    for (const id of this.session.closed()) {
      this.#settle(id)?.reject(new RequestError("lost", "the connection was lost before the answer"));
    }
    this.#tell("state", { state: "offline", afterMs });
  }

  /** @param {string} kind @param {any} detail */
  #tell(kind, detail) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }
}

/** @param {any} news @returns {Ack} */
function ackOf({ epoch, seq, isDuplicate }) {
  return { epoch, seq, isDuplicate };
}

/** The address of a WebSocket, also of one that is named relative to the page. @param {string | URL} url */
function address(url) {
  const absolute = new URL(url, globalThis.location?.href);
  absolute.protocol = absolute.protocol.replace(/^http/u, "ws");
  absolute.search = absolute.hash = "";
  return absolute.href;
}
