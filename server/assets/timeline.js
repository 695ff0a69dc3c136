// What was said in one room, and how it is drawn. This file does not know where it comes from.
// Text is text: nothing of it ever becomes markup.

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
/** One's messages within this span stand together. */
const TOGETHER_MS = 5 * 60 * 1000;
const HUES = 10;

export class Timeline {
  constructor() {
    /** Entries, gaps and breaks, in the order of the log. */
    this.items = [];
    this.known = new Set();
    this.more = false;
    this.unread = 0;
    this.isRepainted = true;
  }

  /** The place of the oldest entry. */
  first() {
    const start = this.items.findLastIndex((item) => item.kind === "break") + 1;
    return this.items.slice(start).find((item) => item.kind === "entry")?.seq ?? 1;
  }

  add({ seq, from, data, ts, removed }, isMine) {
    if (this.known.has(seq)) return;
    this.known.add(seq);
    this.items.push({ kind: "entry", seq, from, data, ts, isMine, isRemoved: removed === true });
  }

  prepend(entries, names) {
    const unknown = entries.filter(({ seq }) => !this.known.has(seq));
    unknown.forEach(({ seq }) => this.known.add(seq));
    const start = this.items.findLastIndex((item) => item.kind === "break") + 1;
    const items = unknown.map((entry) => ({
      kind: "entry", ...entry, isMine: names.has(entry.from), isRemoved: entry.removed === true,
    }));
    this.items.splice(start, 0, ...items);
    this.isRepainted = true;
  }

  /** A moderator took away what stood there. */
  remove(seq) {
    const entry = this.items.findLast((item) => item.kind === "entry" && item.seq === seq);
    if (!entry) return;
    entry.isRemoved = true;
    this.isRepainted = true;
  }

  gap(from, to) {
    this.items.push({ kind: "gap", from, to });
  }

  /** The room's log began anew: places of before mean nothing any more. */
  restart() {
    this.known.clear();
    if (this.items.length > 0) this.items.push({ kind: "break" });
  }

  /** Draws into `list` what it does not show yet. */
  paint(list) {
    if (this.isRepainted || list.dataset.shown === undefined || list.children.length === 0) {
      readOnlyWhatIsNew(list);
      list.replaceChildren();
      list.dataset.shown = "0";
      this.isRepainted = false;
    }
    let shown = Number(list.dataset.shown);
    for (; shown < this.items.length; shown += 1) {
      list.append(...rows(this.items[shown], this.items[shown - 1]));
    }
    list.dataset.shown = String(shown);
  }

  static initials(name) {
    const words = name.split(/[\s._-]+/u).filter(Boolean);
    return words.slice(0, 2).map((word) => [...word][0].toUpperCase()).join("") || "?";
  }

  static hue(name) {
    let hash = 2166136261;
    for (const character of name) hash = Math.imul(hash ^ character.codePointAt(0), 16777619);
    return `hue-${((hash ^ (hash >>> 15)) >>> 0) % HUES}`;
  }
}

/** A screen reader reads out what comes in, not a whole room that is drawn at once. */
function readOnlyWhatIsNew(list) {
  list.setAttribute("aria-live", "off");
  setTimeout(() => list.setAttribute("aria-live", "polite"), 500);
}

function rows(item, before) {
  if (item.kind === "gap") {
    const count = item.to - item.from + 1;
    const words = count === 1 ? "One message is missing here" : `${count} messages are missing here`;
    return [row("gap", `${words} · too old to be kept`)];
  }
  if (item.kind === "break") return [row("gap", "The room began anew here")];
  const entry = entryRow(item, before);
  return isSameDay(item, before) ? [entry] : [row("day", DAY.format(item.ts)), entry];
}

function isSameDay(item, before) {
  return before?.kind === "entry" && DAY.format(before.ts) === DAY.format(item.ts);
}

function row(kind, words) {
  const made = document.createElement("li");
  made.className = kind;
  const text = document.createElement("span");
  text.textContent = words;
  made.append(text);
  return made;
}

/** One entry; it stands together with the one before if the same person said it just before. */
export function entryRow(item, before) {
  const { from, data, ts, isMine } = item;
  const isTogether = isSameDay(item, before) && before.from === from && ts - before.ts < TOGETHER_MS;
  const made = document.createElement("li");
  made.className = `entry${isMine ? " mine" : ""}${isTogether ? " together" : ""}`;
  const body = document.createElement("div");
  body.className = "body";
  const time = document.createElement("time");
  time.dateTime = new Date(ts).toISOString();
  time.textContent = CLOCK.format(ts);
  const author = document.createElement("strong");
  author.textContent = from;
  if (isMine) author.className = "hidden";
  const head = document.createElement("p");
  head.className = isTogether ? "head hidden" : "head";
  head.append(author, " ", time);
  body.append(head, item.isRemoved ? removed() : words(data));
  if (item.seq !== undefined && !item.isRemoved) body.append(removing(item));
  if (!isTogether && !isMine) {
    const face = document.createElement("span");
    face.className = `face ${Timeline.hue(from)}`;
    face.setAttribute("aria-hidden", "true");
    face.textContent = Timeline.initials(from);
    made.append(face);
  }
  made.append(body);
  return made;
}

/** Seen by those who moderate. */
function removing({ seq, from }) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "link remove";
  made.dataset.seq = seq;
  made.textContent = "Remove";
  made.setAttribute("aria-label", `Remove this message of ${from}`);
  return made;
}

function removed() {
  const made = document.createElement("p");
  made.className = "words removed";
  made.textContent = "This message was removed";
  return made;
}

/** A string is words; what other programs publish is shown as what it is. */
function words(data) {
  const isWords = typeof data === "string" || typeof data?.text === "string";
  const made = document.createElement(isWords ? "p" : "code");
  made.className = "words";
  made.textContent = isWords ? data.text ?? data : JSON.stringify(data);
  return made;
}
