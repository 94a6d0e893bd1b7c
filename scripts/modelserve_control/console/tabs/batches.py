"""Which batches ran: what `modelserve score` has left below the places that the console was given."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, Final

from modelserve.core.errors import ArtifactMissing
from modelserve.store.buckets.objects import ObjectInfo, Objects, read_object
from modelserve_control.batch.parts.part import open_output
from modelserve_control.batch.parts.run import SUCCESS
from modelserve_control.console.options import ConsoleOptions
from modelserve_control.console.page import Chosen, section, soft, table

HEAD: Final = ("place", "state", "version", "rows", "failed", "parts", "bytes")
MAX_SUMMARY: Final = 10_000  # bytes of a _SUCCESS; those of other tools are empty


def build(options: ConsoleOptions, objects: Objects, chosen: Chosen) -> Iterator[Any]:
    if not options.batches:
        yield soft("There is no place to look for batches: start the console with --batches PLACE.")
    for place in options.batches:
        rows = list(list_batches(place))
        yield section(f"Batches below {place}", table(HEAD, rows, place) if rows else soft("None has run."))


def list_batches(place: str) -> Iterator[tuple[str, ...]]:
    """One row for each directory with a `_SUCCESS`, and for each with parts that belong to none."""
    with open_output(place) as (objects, prefix):
        infos = {PurePosixPath(info.name.removeprefix(prefix)): info for info in objects.list(prefix)}
        whole = {path.parent for path in infos if path.name == SUCCESS}
        batches: dict[PurePosixPath, list[ObjectInfo]] = defaultdict(list, {path: [] for path in whole})
        for path, info in infos.items():
            if path.suffix == ".parquet":
                batches[next((above for above in path.parents if above in whole), path.parent)].append(info)
        for path, parts in sorted(batches.items()):
            size = f"{sum(info.size for info in parts):,}"
            if path in whole:
                said = read_summary(objects, infos[path / SUCCESS])
                counts = (f"{said[key]:,}" if key in said else "-" for key in ("rows", "failed"))
                yield (str(path), "whole", str(said.get("model", "-")), *counts, f"{len(parts):,}", size)
            else:
                yield (str(path), f"no {SUCCESS}", "-", "-", "-", f"{len(parts):,}", size)


def read_summary(objects: Objects, info: ObjectInfo) -> dict[str, Any]:
    try:
        found = json.loads(read_object(objects, info.name, MAX_SUMMARY)[0])
    except (ArtifactMissing, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
