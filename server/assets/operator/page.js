// The operators' page: it asks the server each second how it is, and shows that. What it shows of others
// is put there as text, never as markup.

/** How often the server is asked, how long it has for its answer, and how much of the past is kept. */
const EVERY_MS = 1000;
const PATIENCE_MS = 5000;
const KEPT_MS = 5 * 60 * 1000;

/** A line of a chart breaks where nothing was heard for so long. */
const BREAK_MS = 4000;

/** How long a button that sends somebody away waits for its second press. */
const ARMED_MS = 5000;

const $ = (id) => document.getElementById(id);

/** The token, where one is asked for: here and nowhere else. */
let token = null;
/** What was told so far: `{ at, up, values }`, the oldest first. */
const samples = [];
/** What was told last, and the one before it. */
let last = null;
let before = null;
/** When each connection was closed, as it is shown. */
const times = new Map();
/** Since when the server does not answer. */
let silentSince = null;

// ---- Writing things down ------------------------------------------------------------------------

/** An element with these properties, and with texts and elements in it. */
function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

function svg(name, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** A name as others chose it: whichever way it is written, it turns nothing around it. */
const named = (name) => make("bdi", { textContent: name });

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const fine = new Intl.NumberFormat("en", {
  maximumFractionDigits: 1,
  maximumSignificantDigits: 4,
  roundingPriority: "lessPrecision",
});

function count(number) {
  return number >= 100_000 ? short.format(number) : whole.format(number);
}

function rate(number) {
  return number >= 10_000 ? short.format(number) : fine.format(number);
}

function bytes(number) {
  for (const [unit, size] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (number >= size) return `${fine.format(number / size)} ${unit}`;
  }
  return `${whole.format(number)} B`;
}

const clock = (ms) => new Date(ms).toLocaleTimeString("en-GB");

function span(ms) {
  const minutes = Math.floor(ms / 60_000);
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes % 60} min`;
  return minutes > 0 ? `${minutes} min` : `${Math.floor(ms / 1000)} s`;
}

/** Changes a text only where it is another one: what is read aloud is read once. */
function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// ---- Charts -------------------------------------------------------------------------------------

const CHARTS = [
  { key: "connections", label: "Connections", write: count },
  { key: "rooms", label: "Rooms", write: count },
  { key: "deliveries", label: "Deliveries a second", write: rate },
  { key: "behind", label: "Members that lag or are away", write: count },
  { key: "backlog", label: "Waiting for full sockets", write: bytes, least: 1000 },
  { key: "resident", label: "Memory", write: bytes, least: 1e6 },
].map((chart) => {
  const line = svg("path", { class: "line" });
  const area = svg("path", { class: "area" });
  const at = svg("line", { class: "at", y1: 0, y2: 100, visibility: "hidden" });
  const picture = svg("svg", { viewBox: "0 0 300 100", preserveAspectRatio: "none", role: "img" });
  const grid = [0, 50, 100].map((y) => svg("line", { class: "grid", x1: 0, x2: 300, y1: y, y2: y }));
  picture.append(...grid, area, line, at);
  const value = make("span", { className: "value", textContent: "–" });
  const [then, top] = [make("span"), make("span")];
  const axis = make("div", { className: "axis", ariaHidden: "true" }, then, top);
  const label = make("span", { className: "label", textContent: chart.label });
  $("charts").append(make("figure", {}, make("figcaption", {}, label, value), picture, axis));
  const drawn = { ...chart, line, area, at, picture, value, then, top, pointed: null };
  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    drawn.pointed = (event.clientX - box.left) / box.width;
    draw(drawn, Date.now());
  });
  picture.addEventListener("pointerleave", () => {
    drawn.pointed = null;
    draw(drawn, Date.now());
  });
  return drawn;
});

/** The next number of the kind 1, 2 or 5 with zeros. */
function roundUp(number) {
  const unit = 10 ** Math.floor(Math.log10(number));
  return [1, 2, 5, 10].map((step) => step * unit).find((step) => step >= number * (1 - 1e-9));
}

function draw(chart, now) {
  const known = samples.filter(({ values }) => values[chart.key] !== null);
  const most = Math.max(chart.least ?? 1, ...known.map(({ values }) => values[chart.key]));
  const top = roundUp(most);
  const x = (at) => 300 - ((now - at) / KEPT_MS) * 300;
  const y = (value) => 100 - (value / top) * 100;
  let [line, area, from, earlier] = ["", "", 0, null];
  const end = () => earlier === null ? "" : `L${x(earlier).toFixed(1)} 100L${from} 100Z`;
  for (const { at, values } of known) {
    const point = `${x(at).toFixed(1)} ${y(values[chart.key]).toFixed(1)}`;
    if (earlier === null || at - earlier > BREAK_MS) {
      area += `${end()}M${point}`;
      line += `M${point}`;
      from = x(at).toFixed(1);
    } else {
      area += `L${point}`;
      line += `L${point}`;
    }
    earlier = at;
  }
  chart.line.setAttribute("d", line);
  chart.area.setAttribute("d", area + end());
  const pointed = nearest(known, chart.pointed, now);
  chart.at.setAttribute("visibility", pointed ? "visible" : "hidden");
  if (pointed) {
    chart.at.setAttribute("x1", x(pointed.at));
    chart.at.setAttribute("x2", x(pointed.at));
  }
  const shown = pointed ?? samples.at(-1);
  const value = shown?.values[chart.key] ?? null;
  const words = value === null ? "–" : chart.write(value);
  put(chart.value, words);
  put(chart.then, pointed ? `at ${clock(pointed.at)}` : "5 min");
  put(chart.top, `up to ${chart.write(top)}`);
  chart.picture.setAttribute("aria-label", `${chart.label}: ${words}; at most ${chart.write(most)}`);
}

function nearest(known, pointed, now) {
  if (pointed === null || known.length === 0) return null;
  const at = now - (1 - pointed) * KEPT_MS;
  return known.reduce((one, other) => Math.abs(other.at - at) < Math.abs(one.at - at) ? other : one);
}

// ---- Asking -------------------------------------------------------------------------------------

/** Asks the server, and returns the answer; throws where there is none in time. */
function ask(path, body) {
  const headers = token === null ? {} : { Authorization: `Bearer ${token}` };
  const signal = AbortSignal.timeout(PATIENCE_MS);
  if (body === undefined) return fetch(path, { headers, signal, cache: "no-store" });
  headers["Content-Type"] = "application/json";
  return fetch(path, { method: "POST", headers, signal, body: JSON.stringify(body) });
}

/** How often asking was begun: who was asking before asks no more. */
let begun = 0;

function begin() {
  begun += 1;
  poll(begun);
}

async function poll(mine) {
  try {
    const answer = await ask("/state");
    const told = answer.ok ? await answer.json() : null;
    if (mine !== begun) return;
    if (answer.status === 401) return wantToken();
    if (told === null) beSilent();
    else hear(told, Date.now());
  } catch {
    if (mine !== begun) return;
    beSilent();
  }
  setTimeout(poll, EVERY_MS, mine);
}

function wantToken() {
  $("refused").textContent = token === null ? "" : "This is not the token.";
  token = null;
  $("desk").hidden = true;
  $("entrance").hidden = false;
  is("asking", "A token is asked for");
  $("token").focus();
}

$("entrance").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  $("token").value = "";
  // What a header cannot carry is no token.
  if (!/^[!-~]+$/.test(token)) return wantToken();
  $("entrance").hidden = true;
  is("asking", "Asking…");
  begin();
});

function is(state, words) {
  $("state").dataset.state = state;
  put($("state"), words);
}

function beSilent() {
  silentSince ??= Date.now();
  is("silent", `The server has not answered since ${clock(silentSince)}; it is asked on`);
  $("desk").classList.add("stale");
  for (const chart of CHARTS) draw(chart, Date.now());
}

// ---- What is told -------------------------------------------------------------------------------

function hear(told, at) {
  // Another process has other counts.
  before = last !== null && told.up_ms > last.up_ms ? last : null;
  if (before === null) times.clear();
  last = told;
  silentSince = null;
  $("desk").hidden = false;
  $("desk").classList.remove("stale");
  const { levels } = told;
  is("live", levels?.draining ? "Answers, and drains" : "Answers");
  put($("up"), `up ${span(told.up_ms)}`);
  const values = {
    connections: levels?.connections ?? null,
    rooms: levels?.rooms ?? null,
    deliveries: aSecond(told.counts?.deliveries, before?.counts?.deliveries),
    behind: levels ? levels.members - levels.live : null,
    backlog: levels?.backlog_bytes ?? null,
    resident: told.resident_bytes || null,
  };
  samples.push({ at, values });
  while (samples[0].at < at - KEPT_MS) samples.shift();
  for (const chart of CHARTS) draw(chart, at);
  showRooms(told.busiest);
  showCloses(told.closes, at);
  showRecording(told.recording);
}

/** What was added each second since the server was asked before; nothing where that is not known. */
function aSecond(value, earlier) {
  if (value === undefined || earlier === undefined || before === null) return null;
  return Math.max(0, value - earlier) / ((last.up_ms - before.up_ms) / 1000);
}

/** Makes the rows of a table anew, unless it shows these already: what has the focus stays. */
function fill(body, rows, columns, nothing, row) {
  const key = JSON.stringify(rows);
  if (body.dataset.shown === key) return;
  body.dataset.shown = key;
  const focused = body.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const cell = make("td", { className: "empty", colSpan: columns, textContent: nothing });
  body.replaceChildren(...(rows.length > 0 ? rows.map(row) : [make("tr", {}, cell)]));
  if (focused === null || focused === undefined) return;
  const buttons = [...body.querySelectorAll("button")];
  buttons.find((button) => button.dataset.key === focused)?.focus();
}

const cell = (content, className = "") => make("td", { className }, content ?? "");
const number = (text) => cell(text, "number");

function showRooms(rooms) {
  const earlier = new Map(before?.busiest.map((room) => [room.name, room.head]));
  const rows = rooms.map((room) => [
    room.name,
    count(room.members),
    count(room.members - room.live),
    earlier.has(room.name) ? rate(aSecond(room.head, earlier.get(room.name))) : "–",
    count(room.head),
    `${count(room.entries)} (${bytes(room.bytes)})`,
  ]);
  fill($("rooms"), rows, 6, "There is no room.", ([name, ...numbers]) =>
    make("tr", {}, cell(named(name), "name-cell"), ...numbers.map(number)));
}

function showCloses(closes, at) {
  const rows = closes.map((close) => ({ ...close, ago_ms: 0, time: timeOf(close, at) }));
  fill($("closes"), rows, 5, "Nobody was closed.", (close) => {
    const user = close.user === null ? cell("–") : cell(person(close.user, close.conn), "name-cell");
    const room = cell(close.room === null ? "–" : named(close.room), "name-cell");
    const reason = cell(`${close.code} ${close.reason}`, "short");
    return make("tr", {}, cell(close.time, "short"), user, room, reason, number(close.conn));
  });
}

/** When a connection was closed, by this clock: the same words for the same close. */
function timeOf(close, at) {
  const key = `${close.conn} ${close.code}`;
  if (!times.has(key)) times.set(key, clock(at - close.ago_ms));
  if (times.size > 1000) times.delete(times.keys().next().value);
  return times.get(key);
}

/** A name that can be looked up. */
function person(name, key) {
  const button = make("button", { type: "button", className: "name" }, named(name));
  button.dataset.key = key;
  button.addEventListener("click", () => {
    $("by").value = "user";
    $("whom").value = name;
    $("session-title").scrollIntoView({ block: "nearest" });
    lookUp();
  });
  return button;
}

// ---- A session ----------------------------------------------------------------------------------

$("lookup").addEventListener("submit", (event) => {
  event.preventDefault();
  lookUp();
});

async function lookUp(said = "") {
  const [by, whom] = [$("by").value, $("whom").value.trim()];
  if (whom === "") return $("sessions").replaceChildren();
  const told = await outcome(ask(`/session?${new URLSearchParams({ [by]: whom })}`));
  put($("said"), [said, told.words].filter((words) => words).join(" "));
  $("sessions").replaceChildren(...(told.value?.sessions ?? []).map(showSession));
}

/** What an answer says: a value, or why there is none. */
async function outcome(asked) {
  try {
    const answer = await asked;
    if (answer.status === 401) {
      wantToken();
      return { words: "" };
    }
    if (!answer.ok) return { words: (await answer.text()).trim() };
    const isJson = answer.headers.get("Content-Type") === "application/json";
    return isJson ? { words: "", value: await answer.json() } : { words: await answer.text() };
  } catch {
    return { words: "The server does not answer." };
  }
}

function showSession(session) {
  const { user, rooms } = session;
  const fact = (term, what) =>
    make("div", {}, make("dt", { textContent: term }), make("dd", { textContent: what }));
  const facts = make("dl", {},
    fact("Connection", session.conn),
    fact("Address", session.address ?? "not counted"),
    fact("Stands", session.connected ? "connected" : "detached, waits for its client"),
    fact("Queued", bytes(session.queued_bytes)));
  const heads = ["Room", "Stands", ""].map((head) => make("th", { scope: "col", textContent: head }));
  const rows = rooms.map(({ room, live, behind }) => {
    const stands = live ? "live" : `behind by ${whole.format(behind)}`;
    const out = kick(user, room);
    return make("tr", {}, cell(named(room), "name-cell"), cell(stands), cell(out));
  });
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows));
  const title = make("h3", { className: "grow" }, named(user));
  const head = make("div", { className: "row" }, title, kick(user, null));
  const list = rooms.length > 0 ? table : make("p", { className: "soft", textContent: "In no room." });
  return make("div", { className: "session" }, head, facts, list);
}

/** A button that sends a user away, from a room or altogether, when it is pressed twice. */
function kick(user, room) {
  const from = room === null ? "altogether" : "out of the room";
  const button = make("button", { type: "button", className: "kick", textContent: `Kick ${from}` });
  button.dataset.room = room ?? "";
  button.setAttribute("aria-label", `Kick ${user} ${room === null ? from : `out of ${room}`}`);
  let timer = null;
  const disarm = () => {
    timer = null;
    button.classList.remove("armed");
    button.textContent = `Kick ${from}`;
  };
  button.addEventListener("click", async () => {
    if (timer === null) {
      timer = setTimeout(disarm, ARMED_MS);
      button.classList.add("armed");
      button.textContent = "Press again to kick";
      return;
    }
    clearTimeout(timer);
    button.disabled = true;
    const told = await outcome(ask("/kick", room === null ? { user } : { user, room }));
    const gone = told.value?.kicked;
    const done = gone === undefined ? told.words : `Kicked: ${gone === 1 ? "one session" : `${gone} sessions`}.`;
    await lookUp(done);
    $("whom").focus();
  });
  return button;
}

// ---- Recording ----------------------------------------------------------------------------------

function showRecording(file) {
  $("start").disabled = file !== null;
  $("stop").disabled = file === null;
  $("recorded").replaceChildren(...(file === null
    ? ["Nothing is recorded."]
    : ["All that happens is recorded into ", named(file), "."]));
}

for (const deed of ["start", "stop"]) {
  $(deed).addEventListener("click", async () => {
    const { words, value } = await outcome(ask(`/recording/${deed}`, {}));
    const done = deed === "start" ? "Started." : `Stopped. The recording is ${value?.file}.`;
    put($("recording-said"), value === undefined ? words : done);
    if (value !== undefined) showRecording(deed === "start" ? value.file : null);
  });
}

begin();
