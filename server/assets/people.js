// Who is in the room that is shown, and who is writing there. This file does not know how that is
// heard or said.

/** How often one says that one still writes: within the time that others remember it. */
const SAID_EVERY_MS = 2000;
const NAMED = 3;

export class People {
  #list;
  #note;
  #say;
  /** Who is writing, by room. */
  #writing = new Map();
  #saidAt = -Infinity;

  /** `say(room, isWriting)` tells the others that one writes. */
  constructor({ list, note, say }) {
    this.#list = list;
    this.#note = note;
    this.#say = say;
  }

  /** Somebody writes, or does not any more. */
  hear({ room, from, data, isOver }) {
    const writing = this.#writing.get(room) ?? new Set();
    this.#writing.set(room, writing);
    if (data && !isOver) writing.add(from);
    else writing.delete(from);
  }

  /** Whoever said something, or went, writes no more. */
  rest(room, names) {
    for (const name of names) this.#writing.get(room)?.delete(name);
  }

  /** One's own field has changed. */
  write(room, text, now) {
    if (text === "") return this.sent(room);
    if (now - this.#saidAt < SAID_EVERY_MS) return;
    this.#saidAt = now;
    this.#say(room, true);
  }

  /** One has said it, or thought better of it. */
  sent(room) {
    if (this.#saidAt === -Infinity) return;
    this.#saidAt = -Infinity;
    this.#say(room, false);
  }

  /** Nothing is known of a connection that is gone. */
  lost() {
    this.#writing.clear();
    this.#saidAt = -Infinity;
  }

  paint(room, members) {
    const names = members?.users ? [...members.users.keys()].sort((a, b) => a.localeCompare(b)) : [];
    const more = (members?.count ?? 0) > names.length ? [`${members.count} people`] : [];
    const words = [...names, ...more];
    this.#list.hidden = words.length === 0;
    const shown = [...this.#list.children].map((item) => item.textContent);
    if (shown.join("\n") !== words.join("\n")) {
      this.#list.replaceChildren(...words.map((word) => Object.assign(document.createElement("li"), { textContent: word })));
    }
    this.#note.textContent = sentence([...this.#writing.get(room) ?? []]);
  }
}

function sentence(names) {
  if (names.length === 0) return "";
  if (names.length > NAMED) return "Several people are writing…";
  const verb = names.length === 1 ? "is" : "are";
  return `${names.join(" and ")} ${verb} writing…`;
}
