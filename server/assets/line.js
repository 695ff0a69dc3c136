// When to connect, when to give up a connection that is silent, and when to come back: a pure
// function, `(state, event) → {state, effects}`. This file knows no socket, no clock and no frame;
// chance comes with the events, and timers are asked for by name.

/** A server that is asked something and says nothing for so long cannot be reached. */
export const SILENCE_MS = 10000;
/** After so long without a word the server is asked for one: a page sees no pings of the socket. */
export const QUIET_MS = 20000;
/** A connection that held for so long was a good one: the next loss is not one of a series. */
export const SETTLED_MS = 5000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15000;

/**
 * `idle`: nobody wants a connection. `connecting`: there is a socket, and no welcome yet. `online`:
 * welcome was said. `waiting`: for the time to come back. `over`: the server said not to.
 * @typedef {"idle" | "connecting" | "online" | "waiting" | "over"} Phase
 */

/**
 * @typedef {object} LineState
 * @property {Phase} phase
 * @property {number} attempts  losses in a row, none of which came after a good connection
 * @property {boolean} isExpecting  whether the timer `silence` runs
 * @property {boolean} isBidden  whether the server itself said how long to wait
 * @property {{code: number, after_ms?: number} | null} farewell  the server's `bye`, which a browser
 *   may get without the code of the close
 */

/** @typedef {"retry" | "silence" | "settled" | "quiet"} TimerName */

/**
 * `open`, `close` and `nudge` (after a sleep, or on another network) are the user's; `asked`, `heard`,
 * `welcomed`, `bye` and `closed` the connection's; the others the timers'. `chance` is from 0 to 1.
 * @typedef {{kind: "open" | "close" | "nudge" | "asked" | "heard" | "welcomed" | "settled" | "retry"
 *   | "quiet"}
 *   | {kind: "bye", code: number, after_ms?: number}
 *   | {kind: "closed", code: number, chance: number}
 *   | {kind: "silence", chance: number}} LineEvent
 */

/**
 * `lost` says that the connection is gone, with the milliseconds until the next one; null for never.
 * @typedef {{kind: "connect" | "ping"}
 *   | {kind: "hangUp", code?: number}
 *   | {kind: "start", timer: TimerName, afterMs: number}
 *   | {kind: "stop", timer: TimerName}
 *   | {kind: "lost", code: number, afterMs: number | null}} LineEffect
 */

/** @typedef {{state: LineState, effects: LineEffect[]}} Step */

/** @type {LineState} */
export const IDLE = Object.freeze({
  phase: "idle", attempts: 0, isExpecting: false, isBidden: false, farewell: null,
});

/**
 * What an event changes, and what is to be done.
 * @param {LineState} state
 * @param {LineEvent} event
 * @returns {Step}
 */
export function step(state, event) {
  const isConnected = state.phase === "connecting" || state.phase === "online";
  switch (event.kind) {
    case "open": return isConnected ? still(state) : connect(state);
    case "close": return close(state, isConnected);
    case "nudge": return nudge(state);
    case "retry": return state.phase === "waiting" ? connect(state) : still(state);
    case "asked": return isConnected ? expect(state) : still(state);
    case "heard": return isConnected ? unexpect(state) : still(state);
    case "welcomed": return state.phase === "connecting" ? welcome(state) : still(state);
    case "settled": return state.phase === "online" ? still({ ...state, attempts: 0 }) : still(state);
    case "quiet": return state.phase === "online" ? ask(state) : still(state);
    case "bye": return isConnected ? still({ ...state, farewell: event }) : still(state);
    case "closed": return isConnected ? lose(state, event.code, event.chance) : still(state);
    case "silence": {
      if (!isConnected) return still(state);
      const lost = lose(state, 1006, event.chance);
      return { state: lost.state, effects: [{ kind: "hangUp" }, ...lost.effects] };
    }
  }
}

/** @type {LineEffect} */
const LISTEN = Object.freeze({ kind: "start", timer: "quiet", afterMs: QUIET_MS });

/** @param {LineState} state @returns {Step} */
const still = (state) => ({ state, effects: [] });

/** @param {LineState} state @returns {Step} */
function connect(state) {
  const { state: expecting, effects } = expect({ ...state, phase: "connecting", isBidden: false });
  return { state: expecting, effects: [{ kind: "stop", timer: "retry" }, { kind: "connect" }, ...effects] };
}

/** @param {LineState} state @param {boolean} isConnected @returns {Step} */
function close(state, isConnected) {
  /** @type {LineEffect[]} */
  const effects = ["retry", "silence", "settled", "quiet"].map((timer) => (
    { kind: "stop", timer: /** @type {TimerName} */ (timer) }
  ));
  if (isConnected) effects.push({ kind: "hangUp", code: 1000 });
  return { state: IDLE, effects };
}

/**
 * A connection may be gone without a word, and a wait may have lost its reason. Not one that the
 * server asked for.
 * @param {LineState} state @returns {Step}
 */
function nudge(state) {
  if (state.phase === "waiting") return state.isBidden ? still(state) : connect(state);
  return state.phase === "online" ? ask(state) : still(state);
}

/** @param {LineState} state @returns {Step} */
function ask(state) {
  const { state: expecting, effects } = expect(state);
  return { state: expecting, effects: [{ kind: "ping" }, ...effects] };
}

/**
 * Whatever is asked gets an answer, so silence is a sign.
 * @param {LineState} state @returns {Step}
 */
function expect(state) {
  if (state.isExpecting) return still(state);
  const start = /** @type {LineEffect} */ ({ kind: "start", timer: "silence", afterMs: SILENCE_MS });
  return { state: { ...state, isExpecting: true }, effects: [start] };
}

/** @param {LineState} state @returns {Step} */
function unexpect(state) {
  /** @type {LineEffect[]} */
  const effects = state.isExpecting ? [{ kind: "stop", timer: "silence" }] : [];
  if (state.phase === "online") effects.push(LISTEN);
  return { state: { ...state, isExpecting: false }, effects };
}

/** @param {LineState} state @returns {Step} */
function welcome(state) {
  const start = /** @type {LineEffect} */ ({ kind: "start", timer: "settled", afterMs: SETTLED_MS });
  return { state: { ...state, phase: "online" }, effects: [start, LISTEN] };
}

/** @param {LineState} state @param {number} code @param {number} chance @returns {Step} */
function lose(state, code, chance) {
  const afterMs = wait(state, code, chance);
  /** @type {LineEffect[]} */
  const effects = [
    { kind: "stop", timer: "silence" },
    { kind: "stop", timer: "settled" },
    { kind: "stop", timer: "quiet" },
    { kind: "lost", code: state.farewell?.code ?? code, afterMs },
  ];
  if (afterMs === null) return { state: { ...IDLE, phase: "over" }, effects };
  effects.push({ kind: "start", timer: "retry", afterMs });
  const isBidden = state.farewell?.after_ms !== undefined;
  return { state: { ...IDLE, phase: "waiting", attempts: state.attempts + 1, isBidden }, effects };
}

/**
 * 4500 to 4999 say «don't»; else twice as long each time, spread so that nobody comes in step, and
 * not before the server wants it.
 * @param {LineState} state @param {number} code @param {number} chance @returns {number | null}
 */
function wait({ attempts, farewell }, code, chance) {
  const reason = farewell?.code ?? code;
  if (reason >= 4500 && reason <= 4999) return null;
  const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempts);
  const spread = longest * (0.2 + 0.8 * chance);
  const after = farewell?.after_ms;
  return Math.round(after === undefined ? spread : after + spread / 2);
}
