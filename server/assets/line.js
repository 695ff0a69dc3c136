// The one WebSocket, and when to give it up and to try again. What is said on it is
// `connection.js`'s business; what is seen of it is the page's.

/** A server that is asked something and says nothing for so long cannot be reached. */
const SILENCE_MS = 10000;
/** A connection that held for so long was a good one. */
const SETTLED_MS = 5000;

export class Line {
  #session;
  #onNews;
  #onState;
  #socket = null;
  #retry = null;
  #silence = null;
  #settling = null;

  /** `onNews` gets what the session makes of a frame; `onState` a state and its words. */
  constructor(session, { onNews, onState }) {
    this.#session = session;
    this.#onNews = onNews;
    this.#onState = onState;
  }

  open() {
    clearTimeout(this.#retry);
    this.#onState("connecting", "Connecting…");
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}${this.#session.path}`, "roundtable.v1");
    this.#socket = socket;
    this.#expectWord();
    socket.addEventListener("message", ({ data }) => {
      if (this.#socket === socket) this.#hear(data);
    });
    socket.addEventListener("close", ({ code }) => {
      if (this.#socket === socket) this.#lose(code);
    });
  }

  send(frames) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    for (const frame of frames) {
      this.#socket.send(JSON.stringify(frame));
      this.#expectWord();
    }
  }

  /** After a sleep, or on another network, the connection may be gone without a word. */
  lookAgain() {
    if (this.#socket) this.send([{ type: "ping" }]);
    else this.open();
  }

  /** Hangs up, for good. */
  close() {
    const gone = this.#socket;
    this.#socket = null;
    for (const timer of [this.#retry, this.#silence, this.#settling]) clearTimeout(timer);
    gone?.close(1000);
  }

  #hear(text) {
    this.#stopWaiting();
    const { send, news } = this.#session.receive(text);
    this.send(send);
    if (news.some(({ kind }) => kind === "welcome")) {
      this.#settling = setTimeout(() => this.#session.settled(), SETTLED_MS);
      this.#onState("online", "Online");
    }
    this.#onNews(news);
  }

  #lose(code) {
    this.#stopWaiting();
    clearTimeout(this.#settling);
    this.#socket = null;
    const wait = this.#session.closed(code);
    if (wait === null) {
      this.#onState("offline", "Closed by the server");
      return;
    }
    const seconds = Math.max(1, Math.round(wait / 1000));
    this.#retry = setTimeout(() => this.open(), wait);
    this.#onState("offline", `Offline · back in ${seconds} s`);
  }

  /** Whatever is asked gets an answer, so silence is a sign. A close would wait for the peer, too. */
  #expectWord() {
    this.#silence ??= setTimeout(() => {
      const silent = this.#socket;
      this.#lose(1006);
      silent.close();
    }, SILENCE_MS);
  }

  #stopWaiting() {
    clearTimeout(this.#silence);
    this.#silence = null;
  }
}
