"""The broadcasting server of the documentation of websockets, on asyncio's own loop."""

import asyncio

from websockets.asyncio.server import broadcast, serve

CONNECTIONS = set()


async def chat(websocket):
    CONNECTIONS.add(websocket)
    try:
        async for message in websocket:
            broadcast(CONNECTIONS, message)
    finally:
        CONNECTIONS.remove(websocket)


async def main():
    async with serve(chat, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        print(f"listening on 127.0.0.1:{port}", flush=True)
        await server.serve_forever()


asyncio.run(main())
