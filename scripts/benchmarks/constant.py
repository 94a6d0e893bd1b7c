"""The cheapest server that speaks HTTP: what the load can drive, and so the limit of every figure. `python -m benchmarks.constant PORT`."""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

from benchmarks.load import HOST

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 22\r\n\r\n{"predictions":["no"]}'


class Constant(asyncio.Protocol):
    """Takes what arrives at once for one request, which holds for small ones over loopback."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.write = cast("asyncio.Transport", transport).write  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        self.write(ANSWER)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Constant, HOST, port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
