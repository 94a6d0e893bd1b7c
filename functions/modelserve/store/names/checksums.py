"""Size, CRC32C and SHA-256 of a finished file, in one read.

google-cloud-storage does not check a resumed download (`_media/requests/download.py` skips every 206).
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from pathlib import Path

import google_crc32c

BLOCK = 1 << 20


@dataclass(frozen=True)
class Checksums:
    """`size` in bytes; `crc32c` as an unsigned integer; `sha256` in lower-case hex."""

    size: int
    crc32c: int
    sha256: str


def of_bytes(data: bytes) -> Checksums:
    return Checksums(len(data), google_crc32c.value(data), hashlib.sha256(data).hexdigest())


def of_file(path: Path) -> Checksums:
    size = crc = 0
    sha = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(BLOCK):
            size += len(block)
            crc = google_crc32c.extend(crc, block)
            sha.update(block)
    return Checksums(size, crc, sha.hexdigest())


def encode(crc32c: int) -> str:
    """As Cloud Storage writes it and `gcloud storage` prints it: base64 of four big-endian bytes."""
    return base64.b64encode(crc32c.to_bytes(4, "big")).decode()


def decode(text: str) -> int:
    """`ValueError` unless it is base64 of exactly four bytes."""
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("a CRC32C is base64 of four bytes") from error
    if len(raw) != 4:
        raise ValueError("a CRC32C is base64 of four bytes")
    return int.from_bytes(raw, "big")
