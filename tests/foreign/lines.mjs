// A plain WebSocket tool on a library that others wrote: lines in, lines out. It uses the package
// `ws` where it is installed, and Node's own WebSocket otherwise; without either it exits with 77.
import { createInterface } from "node:readline";

const library = await import("ws").then(
  (ws) => ({ name: "ws", WebSocket: ws.WebSocket }),
  () => ({ name: "Node", WebSocket: globalThis.WebSocket }),
);
if (!library.WebSocket) process.exit(77);
if (process.argv[2] === "--which") {
  console.log(`${library.name} on Node ${process.versions.node}`);
  process.exit(0);
}

const socket = new library.WebSocket(process.argv[2]);
socket.addEventListener("message", ({ data }) => console.log(data));
socket.addEventListener("error", ({ message }) => console.error(message));
socket.addEventListener("close", ({ code }) => {
  console.log(`closed ${code}`);
  process.exit(0);
});
socket.addEventListener("open", () => {
  createInterface({ input: process.stdin }).on("line", (line) => socket.send(line));
});
