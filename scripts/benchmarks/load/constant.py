"""A server that writes a constant answer, to measure the limit of the load generator: `python -m benchmarks.load.constant PORT`."""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

from benchmarks.load.closed_loop import HOST

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 22\r\n\r\n{"predictions":["no"]}'


class Constant(asyncio.Protocol):
    """Treats each chunk as one request, which is correct for small requests over loopback."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.write = cast("asyncio.Transport", transport).write  # uvloop's transport is not a subclass

    def data_received(self, data: bytes) -> None:
        self.write(ANSWER)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Constant, HOST, port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
