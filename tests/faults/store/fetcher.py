"""A child process that fetches one version: to be killed, or to run out of disk."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from modelserve.core.errors import ServeError
from modelserve.store.buckets.open import open_objects
from modelserve.store.download.fetch import fetch
from modelserve.store.names.locations import parse
from modelserve.store.versions.resolve import resolve


def main(uri: str, cache: str, limit: str) -> int:
    location = parse(uri)
    if int(limit):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    objects = open_objects(location)
    try:
        print(fetch(resolve(location, objects), objects, Path(cache)))
    except ServeError as error:
        print(f"{error.code}: {error.message}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
