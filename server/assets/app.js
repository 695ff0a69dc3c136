// The page: what is seen, and the one WebSocket. What is said on it is `connection.js`'s business.

import { Session } from "/connection.js";
import { Timeline } from "/timeline.js";

const $ = (id) => document.getElementById(id);
const memory = {
  get(key) { try { return localStorage.getItem(`roundtable.${key}`); } catch { return null; } },
  set(key, value) { try { localStorage.setItem(`roundtable.${key}`, value); } catch { /* kept out */ } },
};

let session = null;
let socket = null;
let retry = null;
let current = null;
/** What was said in each room, and how much of it was not seen. */
const timelines = new Map();

// ---- Coming in ---------------------------------------------------------------------------------

const asked = new URLSearchParams(location.search);
$("name").value = asked.get("name") ?? memory.get("name") ?? "";
$("room").value = asked.get("room") ?? memory.get("room") ?? "lobby";
($("name").value ? $("room") : $("name")).focus();

$("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = $("name").value.trim();
  const room = $("room").value.trim();
  if (!name || !room) return;
  memory.set("name", name);
  memory.set("room", room);
  session = new Session({ name, rooms: [room], random: Math.random });
  timelines.clear();
  $("entrance").hidden = true;
  $("chat").hidden = false;
  paintMe(name);
  show(room);
  connect();
});

$("out").addEventListener("click", () => {
  clearTimeout(retry);
  const gone = socket;
  socket = session = null;
  gone?.close(1000);
  $("chat").hidden = true;
  $("entrance").hidden = false;
  $("name").focus();
});

// ---- The connection ----------------------------------------------------------------------------

function connect() {
  clearTimeout(retry);
  paintState("connecting", "Connecting…");
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const opened = new WebSocket(`${scheme}//${location.host}${session.path}`, "roundtable.v1");
  socket = opened;
  opened.addEventListener("message", ({ data }) => {
    if (socket !== opened) return;
    const { send: frames, news } = session.receive(data);
    news.forEach(tell);
    send(frames);
  });
  opened.addEventListener("close", ({ code }) => {
    if (socket !== opened) return;
    socket = null;
    comeBack(session.closed(code), code);
  });
}

function comeBack(wait, code) {
  paintWaiting();
  if (wait === null) {
    paintState("offline", `Closed by the server (${code})`);
    return;
  }
  const seconds = Math.max(1, Math.round(wait / 1000));
  paintState("offline", `Offline · back in ${seconds} s`);
  retry = setTimeout(connect, wait);
}

addEventListener("online", () => { if (session && !socket) connect(); });
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && session && !socket) connect();
  if (current) seen();
});

function send(frames) {
  if (socket?.readyState !== WebSocket.OPEN) return;
  for (const frame of frames) socket.send(JSON.stringify(frame));
}

/** One piece of news from the session. */
function tell(news) {
  const timeline = news.room && timelineOf(news.room);
  switch (news.kind) {
    case "welcome":
      paintState("online", "Online");
      paintMe(news.user);
      break;
    case "joined":
      if (news.isNewRun) timeline.restart();
      if (news.isFresh) timeline.more = news.more;
      break;
    case "entry":
      timeline.add(news.item, news.isMine);
      if (news.how === "live" && !isSeen(news.room) && !news.isMine) timeline.unread += 1;
      break;
    case "gap": timeline.gap(news.from, news.to); break;
    case "older":
      timeline.prepend(news.items, session.names);
      timeline.more = news.more;
      break;
    case "left":
      timelines.delete(news.room);
      if (news.room === current) show([...session.rooms.keys()][0] ?? null);
      break;
    case "error": explain(news); break;
    case "later": joinLater(news.room, news.afterMs); break;
    case "bye": if (news.code === 4002) paintState("offline", "The server restarts…"); break;
    case "ack": case "unsure": break;
  }
  paintRooms();
  if (!news.room || news.room === current) paint(news);
}

function joinLater(room, wait) {
  const asking = session;
  setTimeout(() => { if (session === asking && session.rooms.has(room)) send(session.join(room)); }, wait);
}

function explain({ error, said, request }) {
  const wait = error.retry_after_ms ? ` Try again in ${Math.ceil(error.retry_after_ms / 1000)} s.` : "";
  const words = error.code === "rate_limited" ? `That was a little fast.${wait}` : `${error.message}.`;
  hint(words);
  if (said && said.room === current) paintWaiting();
  if (request?.kind === "join" && !session.rooms.has(request.room)) {
    timelines.delete(request.room);
    if (request.room === current) show([...session.rooms.keys()][0] ?? null, words);
  }
}

// ---- Rooms -------------------------------------------------------------------------------------

function timelineOf(room) {
  if (!timelines.has(room)) timelines.set(room, new Timeline());
  return timelines.get(room);
}

function show(room, words = "") {
  current = room;
  $("title").textContent = room ?? "No room";
  document.title = room ? `${room} · Roundtable` : "Roundtable";
  $("compose").hidden = $("part").hidden = room === null;
  closeMenu();
  hint(words);
  if (room !== null) {
    memory.set("room", room);
    timelineOf(room).unread = 0;
  }
  paintRooms();
  $("log").replaceChildren();
  paint({ kind: "shown" });
  toEnd();
  if (matchMedia("(hover: hover)").matches) $("text").focus();
}

$("join").addEventListener("submit", (event) => {
  event.preventDefault();
  const room = $("other").value.trim();
  if (!room) return;
  $("other").value = "";
  send(session.join(room));
  show(room);
});

$("part").addEventListener("click", () => {
  const room = current;
  send(session.leave(room));
  timelines.delete(room);
  show([...session.rooms.keys()][0] ?? null);
});

function paintRooms() {
  const rows = [...session.rooms.keys()].map((room) => {
    const unread = timelines.get(room)?.unread ?? 0;
    const button = element("button", "", { type: "button" });
    button.append(element("span", room, { class: "label" }));
    if (unread > 0) {
      button.append(element("span", unread > 99 ? "99+" : String(unread), { class: "badge" }));
      button.setAttribute("aria-label", `${room}, ${unread} new messages`);
    }
    if (room === current) button.setAttribute("aria-current", "page");
    button.addEventListener("click", () => show(room));
    const row = document.createElement("li");
    row.append(button);
    return row;
  });
  $("rooms").replaceChildren(...rows);
}

$("menu").addEventListener("click", () => {
  const isOpen = $("side").classList.toggle("open");
  $("menu").setAttribute("aria-expanded", String(isOpen));
});
function closeMenu() {
  $("side").classList.remove("open");
  $("menu").setAttribute("aria-expanded", "false");
}
addEventListener("keydown", (event) => { if (event.key === "Escape") closeMenu(); });

// ---- What was said -----------------------------------------------------------------------------

function paint(news) {
  if (current === null) {
    $("log").replaceChildren();
    $("waiting").replaceChildren();
    $("empty").hidden = $("older").hidden = true;
    return;
  }
  const timeline = timelineOf(current);
  const wasAtEnd = isAtEnd();
  const height = $("scroll").scrollHeight;
  timeline.paint($("log"));
  paintWaiting();
  $("empty").hidden = timeline.items.length > 0 || !session.rooms.get(current)?.isJoined;
  $("older").hidden = !timeline.more;
  if (news.kind === "older") {
    $("scroll").scrollTop += $("scroll").scrollHeight - height;
  } else if (wasAtEnd || news.isMine) {
    toEnd();
  } else if (news.kind === "entry") {
    $("latest").hidden = false;
  }
}

/** What one said oneself and the room has not got yet. */
function paintWaiting() {
  const mine = [...session.pending.values()].filter((said) => said.room === current);
  const isNew = mine.length > $("waiting").children.length;
  const wasAtEnd = isAtEnd();
  $("waiting").replaceChildren(...mine.map(saidRow));
  if (isNew && wasAtEnd) toEnd();
}

function saidRow(said) {
  const row = element("li", "", { class: `entry mine ${said.state}` });
  const body = element("div", "", { class: "body" });
  body.append(element("p", String(said.data), { class: "words" }));
  const words = {
    waiting: "Waiting for the connection…",
    sent: "Sending…",
    acknowledged: "Sent",
    unsure: session.rooms.get(said.room)?.isJoined ? "Not confirmed." : "Not confirmed yet…",
    refused: "Not sent.",
  }[said.state];
  const note = element("p", words, { class: "note" });
  const isStuck = said.state === "refused" || (said.state === "unsure" && session.rooms.get(said.room)?.isJoined);
  if (isStuck) {
    note.append(" ", action("Send again", () => send(session.again(said.id))));
    note.append(" ", action("Discard", () => session.forget(said.id)));
  }
  body.append(note);
  row.append(body);
  return row;
}

function action(words, act) {
  const button = element("button", words, { type: "button", class: "link" });
  button.addEventListener("click", () => { act(); paintWaiting(); });
  return button;
}

$("older").addEventListener("click", () => {
  send(session.older(current, timelineOf(current).first()));
});
$("latest").addEventListener("click", toEnd);
$("scroll").addEventListener("scroll", () => { if (isAtEnd()) seen(); }, { passive: true });

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
  const text = $("text").value.replace(/\s+$/u, "");
  if (!text || current === null) return;
  const bytes = new TextEncoder().encode(JSON.stringify(text)).length + 200;
  if (bytes > session.maxBytes) {
    hint(`That is too long: ${bytes} of ${session.maxBytes} bytes.`);
    return;
  }
  hint("");
  const { send: frames } = session.publish(current, text);
  $("text").value = "";
  grow();
  send(frames);
  paintWaiting();
  toEnd();
});
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("compose").requestSubmit();
  }
});
$("text").addEventListener("input", grow);
function grow() {
  $("text").rows = Math.min(8, $("text").value.split("\n").length);
}

// ---- Small things ------------------------------------------------------------------------------

function hint(words) {
  $("hint").textContent = words;
}
function paintState(state, words) {
  $("state").dataset.state = state;
  $("state").textContent = words;
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
