from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ConsoleOptions:
    """What the page reads is named here, so a browser chooses among these and names no file. `write`: aliases may be moved.
    `origins` are the addresses at which browsers reach it, like http://127.0.0.1:8050."""

    store: str
    origins: tuple[str, ...]
    write: bool = False
    log: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    key: str | None = None
    target: str | None = None
    thresholds: Path | None = None
    urls: tuple[str, ...] = ()
    batches: tuple[str, ...] = ()
    dead_letters: str | None = None
    trust: str = "strict"
