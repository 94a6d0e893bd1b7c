"""Answers compressed with gzip, for clients that take it."""

import zlib
from typing import Final

from starlette.responses import Response

from modelserve.http.bodies import GZIP, INLINE_BYTES, Headers

# A smaller answer is a few packets, and takes longer to compress than they take to send.
GZIP_BYTES: Final = INLINE_BYTES
LEVEL: Final = 1  # JSON becomes a quarter, and no other level is as fast


def takes_gzip(headers: Headers) -> bool:
    names = (part.partition(b";") for part in headers.get(b"accept-encoding", b"").lower().split(b","))
    return any(name.strip() == b"gzip" and weight.strip() not in NEVER for name, _, weight in names)


NEVER: Final = (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000")


def compress(response: Response) -> None:
    packed = zlib.compressobj(LEVEL, wbits=GZIP)
    response.body = packed.compress(response.body) + packed.flush()
    replaced = {b"content-length": b"%d" % len(response.body)}
    response.raw_headers = [(name, replaced.get(name, value)) for name, value in response.raw_headers]
    response.raw_headers += [(b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
