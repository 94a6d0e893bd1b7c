"""The files that a pattern names, and the names of the files that are made of them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Final

from modelserve.core.errors import BadSetting, NotFound
from modelserve_control.batch.files.table_files import BUCKET, check_source, object_at
from modelserve_control.common.options import ENDINGS, ROW_FILES
from modelserve_control.registry import catalog

WILDCARD: Final = re.compile(r"[*?\[]")
FIELD: Final = re.compile(r"\{[^{}]*\}")
MONTH: Final = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


@dataclass(frozen=True)
class Source:
    """`address` has its rows; `name` is what stands behind the fixed part of the pattern. `stamp` changes with the content."""

    address: str
    name: str
    stamp: str


def is_pattern(address: str) -> bool:
    return bool(WILDCARD.search(address)) or address.endswith("/") or (Path(address).is_dir())


def fill_month(pattern: str, month: str | None, others: Sequence[str] = ()) -> str:
    """`{year}` and `{month}` in a pattern; `others` are left for later. Raises BadSetting, also for what is neither."""
    known = ("{year}", "{month}", *others)
    if unknown := [field for field in FIELD.findall(pattern) if field not in known]:
        raise BadSetting(f"{pattern} has {', '.join(unknown)}, which nothing fills; it may have {', '.join(known)}.")
    if month is None:
        if "{year}" in pattern or "{month}" in pattern:
            raise BadSetting(
                f"{pattern} has a {{year}} or a {{month}}: say which with --month, for example --month 2022-03."
            )
        return pattern
    match = MONTH.fullmatch(last_month() if month == "last" else month)
    if match is None:
        raise BadSetting(f"--month is a year and a month, for example 2022-03, or last; {month} is not.")
    return pattern.replace("{year}", match[1]).replace("{month}", match[2])


def last_month() -> str:
    """The month before this one, in UTC."""
    first = datetime.now(UTC).date().replace(day=1)
    return f"{first - timedelta(days=1):%Y-%m}"


def find_sources(pattern: str) -> list[Source]:
    """In order of name. Raises NotFound."""
    root, wanted = split(pattern)
    found = bucket_sources(root) if pattern.startswith(BUCKET) else local_sources(Path(root or "."))
    sources = [one for one in found if wanted.fullmatch(one.name) and is_data(one.name)]
    if not sources:
        raise NotFound(f"There is no {ENDINGS} file that {pattern} names.")
    return sorted(sources, key=lambda one: one.name)


def split(pattern: str) -> tuple[str, re.Pattern[str]]:
    """The folder that has all of its files, and what their names below it are."""
    fixed = pattern[: match.start()] if (match := WILDCARD.search(pattern)) else f"{pattern.rstrip('/')}/"
    root = fixed.rpartition("/")[0]
    rest = pattern[len(root) + 1 :] if WILDCARD.search(pattern) else "**/*"
    return root, re.compile(translate(rest.lstrip("/")))


def check_output(pattern: str, output: str, names: Sequence[str]) -> None:
    """`names` are those of the parts. Raises BadSetting where the next batch would read one of them as its input."""
    root, wanted = split(pattern) if is_pattern(pattern) else (pattern, re.compile(""))
    for name in names:
        below = relative(f"{output.rstrip('/')}/{name}.parquet", root)
        if below is not None and wanted.fullmatch(below) and (not below or is_data(below)):
            raise BadSetting(f"{output} is among the files of {pattern}: name an output that INPUT does not name.")


def relative(address: str, root: str) -> str | None:
    if not address.startswith(BUCKET) and not root.startswith(BUCKET):
        address, root = os.path.abspath(address), os.path.abspath(root or ".")
    if address == root:
        return ""
    return address.removeprefix(f"{root}/") if address.startswith(f"{root}/") else None


def find_source(address: str) -> Source:
    """One file. Raises NotFound."""
    check_source(address)
    if not address.startswith(BUCKET):
        if not Path(address).is_file():
            raise NotFound(f"There is no file {address}.")
        return local_source(Path(address), Path(address).name)
    location = object_at(address)
    with closing(catalog.open_location(location)) as objects:
        info = objects.stat(location.prefix)
    if info is None:
        raise NotFound(f"There is no object {address}, or no such bucket.")
    return Source(address, PurePosixPath(info.name).name, f"{info.size} {info.generation}")


def is_data(name: str) -> bool:
    """What begins with _ or . is no data by the custom of all who read directories of files."""
    parts = PurePosixPath(name)
    return parts.suffix.lower() in ROW_FILES and not any(part.startswith(("_", ".")) for part in parts.parts)


def bucket_sources(root: str) -> list[Source]:
    location = object_at(f"{root}/x")
    prefix = location.prefix.removesuffix("x")
    with closing(catalog.open_location(location)) as objects:
        return [
            Source(
                f"{BUCKET}{location.bucket}/{info.name}",
                info.name.removeprefix(prefix),
                f"{info.size} {info.generation}",
            )
            for info in objects.list(prefix)
        ]


def local_sources(root: Path) -> list[Source]:
    return [local_source(path, path.relative_to(root).as_posix()) for path in root.rglob("*") if path.is_file()]


def local_source(path: Path, name: str) -> Source:
    status = path.stat()
    return Source(str(path), name, f"{status.st_size} {status.st_mtime_ns}")


def translate(pattern: str) -> str:
    """`*` and `?` are of one folder, `**/` of any number of them."""
    found = ""
    for part in re.split(r"(\*\*/|\*|\?|\[[^]]+\])", pattern):
        found += {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}.get(
            part, part if part.startswith("[") else re.escape(part)
        )
    return found


def output_names(sources: Sequence[Source]) -> list[str]:
    """Without the suffixes of the sources. Raises BadSetting where two would have one."""
    names = [str(PurePosixPath(source.name).with_suffix("")) for source in sources]
    for at, name in enumerate(names):
        if name in names[:at]:
            first = sources[names.index(name)].name
            raise BadSetting(f"{first} and {sources[at].name} would both become {name}.parquet; score them apart.")
    return names
