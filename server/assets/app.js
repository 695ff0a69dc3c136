// The page: what is seen and done. What is said to the server, and when it can be reached, is
// `roundtable.js`'s business.

import { HELP, mayModerate, parse, removal, whyClosed, whyLeft, whyRefused } from "/moderation.js";
import { People } from "/people.js";
import { Roundtable, troubleWith } from "/roundtable.js";
import { Timeline, entryRow } from "/timeline.js";

const $ = (id) => document.getElementById(id);
const memory = {
  get(key) { try { return localStorage.getItem(`roundtable.${key}`); } catch { return null; } },
  set(key, value) { try { localStorage.setItem(`roundtable.${key}`, value); } catch { /* kept out */ } },
};

let table = null;
/** What the table knows: rooms, and what one said that is not confirmed. */
let session = null;
let current = null;
/** Why the server hung up, if it said. */
let farewell;
const people = new People({
  list: $("people"),
  note: $("typing"),
  say: (room, isWriting) => table?.signal(room, "typing", isWriting),
});
/** What was said in each room, and how much of it was not seen. */
const timelines = new Map();
/** What was written in each room and not sent. */
const drafts = new Map();

// ---- Coming in ---------------------------------------------------------------------------------

const asked = new URLSearchParams(location.search);
// What stands behind the `#` is sent to no server, and need not stand there for others to see.
const token = new URLSearchParams(location.hash.slice(1)).get("token");
if (token !== null) {
  history.replaceState(null, "", location.pathname + location.search);
  $("named").hidden = true;
  $("name").required = false;
  $("invited").hidden = false;
}
$("name").value = asked.get("name") ?? memory.get("name") ?? "";
$("room").value = asked.get("room") ?? memory.get("room") ?? "lobby";
($("name").value || token !== null ? $("room") : $("name")).focus();

$("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = token === null ? $("name").value.trim() : undefined;
  const room = $("room").value.trim();
  if ((token === null && !isFit($("name"))) || !isFit($("room"))) return;
  if (token === null) memory.set("name", name);
  memory.set("room", room);
  table = new Roundtable("/ws", { name, rooms: [room], token: token ?? undefined });
  session = table.session;
  timelines.clear();
  $("entrance").hidden = true;
  $("chat").hidden = false;
  paintMe(name ?? "…");
  farewell = undefined;
  table.on("news", hear);
  table.on("signal", (news) => {
    if (news.key === "typing") people.hear(news);
    paintPeople();
  });
  table.on("state", tellState);
  table.on("bye", ({ code }) => {
    farewell = whyClosed(code);
    if (farewell) paintState("offline", farewell);
  });
  table.on("refused", ({ error }) => {
    farewell = whyClosed(4501);
    hint(whyRefused(error) ?? error.message);
  });
  show(room);
  table.open();
});

/** Whether a field holds a name that the server takes; if not, the browser says why. */
function isFit(field) {
  const judge = (trouble) => {
    field.setCustomValidity(trouble);
    field.setAttribute("aria-invalid", String(trouble !== ""));
  };
  judge(troubleWith(field.value));
  field.addEventListener("input", () => judge(""), { once: true });
  return field.reportValidity();
}

$("out").addEventListener("click", () => {
  table.close();
  table = session = current = null;
  people.lost();
  drafts.clear();
  $("text").value = "";
  document.title = "Roundtable";
  $("chat").hidden = true;
  $("entrance").hidden = false;
  $("name").focus();
});

// ---- The connection ----------------------------------------------------------------------------

addEventListener("online", () => table?.lookAgain());
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState !== "visible") return;
  table?.lookAgain();
  seen();
});

function tellState({ state, afterMs }) {
  if (state === "offline") people.lost();
  const seconds = Math.max(1, Math.round(afterMs / 1000));
  const words = {
    connecting: "Connecting…",
    online: "Online",
    offline: afterMs === null ? farewell ?? "Closed by the server" : `Offline · back in ${seconds} s`,
  };
  paintState(state, words[state]);
}

function hear(news) {
  news.forEach(tell);
  paintRooms();
  paint(news);
}

/** One piece of news from the session. */
function tell(news) {
  const timeline = news.room && timelineOf(news.room);
  switch (news.kind) {
    case "welcome":
      farewell = undefined;
      paintMe(news.user);
      hint("");
      break;
    case "joined":
      if (news.isNewRun) timeline.restart();
      if (news.isFresh) timeline.more = news.more;
      break;
    case "entry":
      timeline.add(news.item, news.isMine);
      people.rest(news.room, [news.item.from]);
      if (news.how !== "history" && !isSeen(news.room) && !news.isMine) timeline.unread += 1;
      break;
    case "gap": timeline.gap(news.from, news.to); break;
    case "older":
      timeline.prepend(news.items, session.names);
      timeline.more = news.more;
      break;
    case "left":
      timelines.delete(news.room);
      if (news.room === current) showAnother(whyLeft(news.room, news.reason));
      break;
    case "error": explain(news); break;
    case "presence": people.rest(news.room, news.went); break;
    case "removed": timeline.remove(news.seq); break;
    default: break;
  }
}

function explain({ error, request }) {
  const words = whyRefused(error) ?? `${error.message}.`;
  hint(words);
  if (request?.kind === "join" && !session.rooms.has(request.room)) {
    timelines.delete(request.room);
    if (request.room === current) showAnother(words);
  }
}

// ---- Rooms -------------------------------------------------------------------------------------

function timelineOf(room) {
  if (!timelines.has(room)) timelines.set(room, new Timeline());
  return timelines.get(room);
}

function showAnother(words) {
  show([...session.rooms.keys()][0] ?? null, words);
}

function show(room, words = "") {
  if (current !== null) drafts.set(current, $("text").value);
  current = room;
  $("title").textContent = room ?? "No room";
  $("compose").hidden = $("part").hidden = room === null;
  $("text").value = drafts.get(room) ?? "";
  grow();
  setMenu(false);
  hint(words);
  if (room !== null) {
    memory.set("room", room);
    const query = new URLSearchParams(location.search);
    query.set("room", room);
    history.replaceState(null, "", `?${query}`);
    timelineOf(room).unread = 0;
  }
  $("log").classList.toggle("moderated", token !== null && room !== null && mayModerate(token, room));
  paintRooms();
  $("log").replaceChildren();
  paint([]);
  toEnd();
  // Where fingers write, a focus would open the keyboard.
  if (!matchMedia("(pointer: coarse)").matches) $(room === null ? "other" : "text").focus();
}

$("join").addEventListener("submit", (event) => {
  event.preventDefault();
  const room = $("other").value.trim();
  if (!isFit($("other"))) return;
  $("other").value = "";
  table.join(room);
  show(room);
});

$("part").addEventListener("click", () => {
  const room = current;
  table.leave(room);
  timelines.delete(room);
  showAnother("");
});

/** Rows stay where they are while their room does, and so does the keyboard's focus. */
function paintRooms() {
  const shown = new Map([...$("rooms").children].map((row) => [row.dataset.room, row]));
  for (const [room, row] of shown) if (!session.rooms.has(room)) row.remove();
  let unseen = 0;
  for (const room of session.rooms.keys()) {
    const row = shown.get(room) ?? $("rooms").appendChild(roomRow(room));
    const unread = timelines.get(room)?.unread ?? 0;
    const [button] = row.children;
    button.querySelector(".badge").textContent = unread > 99 ? "99+" : String(unread || "");
    button.setAttribute("aria-label", unread > 0 ? `${room}, ${unread} new messages` : room);
    if (room === current) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
    unseen += unread;
  }
  document.title = `${unseen > 0 ? `(${unseen}) ` : ""}${current ?? "No room"} · Roundtable`;
}

function roomRow(room) {
  const button = element("button", "", { type: "button" });
  button.append(element("span", room, { class: "label" }), element("span", "", { class: "badge" }));
  button.addEventListener("click", () => show(room));
  const row = document.createElement("li");
  row.dataset.room = room;
  row.append(button);
  return row;
}

// On a narrow screen the rooms lie over the talk, until one goes elsewhere.
const isMenuOpen = () => $("side").classList.contains("open");
function setMenu(isOpen) {
  $("side").classList.toggle("open", isOpen);
  $("menu").setAttribute("aria-expanded", String(isOpen));
}
$("menu").addEventListener("click", () => {
  setMenu(!isMenuOpen());
  if (isMenuOpen()) ($("rooms").querySelector("[aria-current]") ?? $("other")).focus();
});
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !isMenuOpen()) return;
  setMenu(false);
  $("menu").focus();
});
addEventListener("pointerdown", ({ target }) => {
  if (!$("side").contains(target) && !$("menu").contains(target)) setMenu(false);
});
$("side").addEventListener("focusout", ({ relatedTarget }) => {
  if (relatedTarget && relatedTarget !== $("menu") && !$("side").contains(relatedTarget)) setMenu(false);
});

// ---- What was said -----------------------------------------------------------------------------

function paint(news) {
  const timeline = current === null ? new Timeline() : timelineOf(current);
  const here = news.filter(({ room }) => room === current);
  const wasAtEnd = isAtEnd();
  const height = $("scroll").scrollHeight;
  timeline.paint($("log"));
  paintWaiting();
  paintPeople();
  const isNowhere = current === null;
  $("empty").textContent = isNowhere ? "Pick a room, or join one." : "Nothing was said here yet. Say something.";
  $("empty").hidden = timeline.items.length > 0 || !(isNowhere || session.rooms.get(current)?.isJoined);
  if (!timeline.more && document.activeElement === $("older")) $("scroll").focus();
  $("older").hidden = !timeline.more;
  if (here.some(({ kind }) => kind === "older")) {
    $("scroll").scrollTop += $("scroll").scrollHeight - height;
  } else if (wasAtEnd || here.some(({ isMine }) => isMine)) {
    toEnd();
  } else if (here.some(({ kind }) => kind === "entry")) {
    $("latest").hidden = false;
  }
}

function paintPeople() {
  people.paint(current, session.rooms.get(current)?.members);
}

/** What one said oneself and the room has not got yet. */
function paintWaiting() {
  const mine = [...session.pending.values()].filter((said) => said.room === current);
  const shown = new Map([...$("waiting").children].map((row) => [row.dataset.said, row]));
  const room = session.rooms.get(current);
  let before = current === null ? null : timelineOf(current).items.at(-1);
  const rows = mine.map((said) => {
    const item = { kind: "entry", from: session.user, data: said.data, ts: said.at, isMine: true };
    const row = saidRow(said, entryRow(item, before), room?.isJoined);
    before = item;
    const same = shown.get(row.dataset.said);
    return same?.className === row.className ? same : row;
  });
  const kept = new Set(rows);
  for (const row of shown.values()) if (!kept.has(row)) row.remove();
  rows.forEach((row, at) => {
    const there = $("waiting").children[at] ?? null;
    if (there !== row) $("waiting").insertBefore(row, there);
  });
}

function saidRow(said, row, isJoined) {
  const words = {
    waiting: "Waiting for the connection…",
    sent: "Sending…",
    acknowledged: "Sent",
    unsure: isJoined ? "Not confirmed." : "Not confirmed yet…",
    refused: "Not sent.",
  }[said.state];
  const note = element("p", words, { class: "note" });
  const isStuck = said.state === "refused" || (said.state === "unsure" && isJoined);
  if (isStuck) {
    note.append(" ", action("Send again", () => table.again(said.id)));
    note.append(" ", action("Discard", () => table.forget(said.id)));
  }
  row.classList.add(said.state);
  row.classList.toggle("stuck", isStuck);
  row.dataset.said = said.id;
  row.querySelector(".body").append(note);
  return row;
}

function action(words, act) {
  const button = element("button", words, { type: "button", class: "link" });
  button.addEventListener("click", () => { act(); paintWaiting(); $("text").focus(); });
  return button;
}

/** Asks the server for what only some may do; a refusal is told as an error. */
function ask({ frame, done }) {
  table.request(frame).then(() => hint(done), ({ code, message }) => { if (code === "lost") hint(`Not done: ${message}.`); });
}

$("log").addEventListener("click", ({ target }) => {
  const button = target.closest("button.remove");
  if (button) ask(removal(current, Number(button.dataset.seq)));
});
$("older").addEventListener("click", () => {
  table.older(current, timelineOf(current).first());
});
$("latest").addEventListener("click", toEnd);
let isFollowing = true;
$("scroll").addEventListener("scroll", () => {
  isFollowing = isAtEnd();
  if (isFollowing) seen();
}, { passive: true });
// A keyboard that opens, or a field that grows, takes from above: the newest stays in sight.
new ResizeObserver(() => { if (isFollowing) toEnd(); }).observe($("scroll"));

const isAtEnd = () => $("scroll").scrollHeight - $("scroll").scrollTop - $("scroll").clientHeight < 60;
const isSeen = (room) => room === current && document.visibilityState === "visible" && isAtEnd();
function toEnd() {
  $("scroll").scrollTop = $("scroll").scrollHeight;
  seen();
}
function seen() {
  if (current === null || !isSeen(current)) return;
  $("latest").hidden = true;
  const timeline = timelineOf(current);
  if (timeline.unread > 0) {
    timeline.unread = 0;
    paintRooms();
  }
}

// ---- Saying something --------------------------------------------------------------------------

$("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  const written = $("text").value.replace(/\s+$/u, "");
  if (!written || current === null) return;
  const { kind, text, ...wanted } = parse(written, current);
  if (kind === "trouble" || kind === "help") {
    hint(wanted.words ?? HELP);
    return;
  }
  const bytes = new TextEncoder().encode(JSON.stringify(written)).length + 200;
  if (bytes > session.maxBytes) {
    hint(`That is too long: ${bytes} of ${session.maxBytes} bytes.`);
    return;
  }
  hint("");
  people.sent(current);
  // What becomes of it is told as news.
  if (kind === "ask") ask(wanted);
  else table.publish(current, text);
  $("text").value = "";
  grow();
  paintWaiting();
  toEnd();
});
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("compose").requestSubmit();
  }
});
$("text").addEventListener("input", () => {
  grow();
  if (current !== null) people.write(current, $("text").value, performance.now());
});
function grow() {
  const field = $("text");
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight + field.offsetHeight - field.clientHeight}px`;
}

// ---- Small things ------------------------------------------------------------------------------

function hint(words) {
  $("hint").textContent = words;
}
function paintState(state, words) {
  $("state").dataset.state = state;
  $("state").textContent = words;
  paintWaiting();
}
function paintMe(user) {
  $("me").textContent = user;
  $("face").textContent = Timeline.initials(user);
  $("face").className = `face ${Timeline.hue(user)}`;
}
function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
