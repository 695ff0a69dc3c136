// What one said oneself and the rooms have not confirmed: its state, its order, its keys. This file
// knows no frames but those that publish.

/** The server knows a key for five minutes from its first use; the clocks may differ a little. */
const KEY_LIFE_MS = 4.5 * 60 * 1000;

/**
 * Something that one said. `waiting`: for its room, or for its turn. `unsure`: the connection was lost
 * before an answer. `refused`: the server did not take it.
 * @typedef {object} Said
 * @property {string} id
 * @property {string} key
 * @property {string} room
 * @property {any} data
 * @property {number} at  when, on one's own clock
 * @property {"waiting" | "sent" | "acknowledged" | "unsure" | "refused"} state
 * @property {number | null} seq
 * @property {string | null} from
 * @property {number | null} keyedAt  when it first went out with its key
 * @property {boolean} isQueued  whether it waited for its turn, and others wait behind it
 */

export class Sayings {
  #run;

  /** @param {string} run  a text that no other client has */
  constructor(run) {
    this.#run = run;
    /** By request id, in the order in which they were said. @type {Map<string, Said>} */
    this.all = new Map();
  }

  /** @param {string} room @param {any} data @param {number} at @param {number} number @returns {Said} */
  add(room, data, at, number) {
    /** @type {Said} */
    const said = {
      id: `m${number}`, key: `${this.#run}-${number}`, room, data, at,
      state: "waiting", seq: null, from: null, keyedAt: null, isQueued: false,
    };
    this.all.set(said.id, said);
    return said;
  }

  /** Those of a room, in order. @param {string} room */
  of(room) {
    return [...this.all.values()].filter((said) => said.room === room);
  }

  /** Whether something said in a room has to wait behind others. @param {string} room */
  isHeldUp(room) {
    return this.of(room).some(({ state, isQueued }) => state === "waiting" || (isQueued && state === "sent"));
  }

  /**
   * The next one of those that wait. Each goes out after the answer to the one before, so that they
   * stay in order whatever is refused.
   * @param {string} room
   */
  next(room) {
    const mine = this.of(room);
    if (mine.some((said) => said.isQueued && said.state === "sent")) return undefined;
    const next = mine.find(({ state }) => state === "waiting");
    if (next) next.isQueued = true;
    return next;
  }

  /** The frame that publishes it. @param {Said} said @param {string | null} user @param {boolean} hasKeys @param {number} now */
  publishing(said, user, hasKeys, now) {
    said.state = "sent";
    said.from = user;
    const frame = { type: "publish", id: said.id, room: said.room, data: said.data };
    // Out once without its key, it is safe no more.
    said.keyedAt = hasKeys ? said.keyedAt ?? now : null;
    if (!hasKeys) return frame;
    return { ...frame, key: said.key };
  }

  /** The connection is gone: nobody knows what became of what was on its way. */
  lost() {
    for (const said of this.all.values()) {
      said.isQueued = false;
      if (said.state === "sent") said.state = "unsure";
    }
  }

  /** What may be said again without harm, because the server still knows its key, waits for that. @param {string} room @param {number} now */
  repeat(room, now) {
    for (const said of this.of(room)) {
      const isYoung = said.keyedAt !== null && now - said.keyedAt < KEY_LIFE_MS;
      if (said.state === "unsure" && isYoung) said.state = "waiting";
    }
  }

  /** Takes out what this entry is: known by its place, or else by its words. @param {string} room @param {{seq: number, data?: any}} entry */
  take(room, { seq, data }) {
    const mine = this.of(room);
    const words = JSON.stringify(data);
    const said = mine.find((one) => one.seq === seq)
      ?? mine.find((one) => one.state === "unsure" && JSON.stringify(one.data) === words);
    if (said) this.all.delete(said.id);
    return said;
  }

  /** Takes out what was acknowledged at these places and will not be heard again. @param {string} room @param {number} from @param {number} to */
  takeConfirmed(room, from, to) {
    const taken = this.of(room).filter(({ state, seq }) => (
      state === "acknowledged" && seq !== null && seq >= from && seq <= to
    ));
    taken.forEach(({ id }) => this.all.delete(id));
    return taken;
  }
}
