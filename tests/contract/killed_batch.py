"""A batch that is killed at points of its work on files and then started again: `killed_batch.py OPTIONS DIRECTORY POINTS`.

Each batch is a fork that kills itself when the interpreter reports so many events in the output directory. Writes, as JSON, what
each killed batch left to see.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from modelserve_control.batch.score import ScoreOptions, score
from modelserve_control.common.progress import Lines

EVENTS = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.utime", "shutil.rmtree"})


def run(options: dict[str, Any], output: Path, kill_at: int | None = None) -> int:
    """The number of events; 0 if it was killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            count = 0

            def watch(event: str, arguments: tuple[Any, ...]) -> None:
                nonlocal count
                if event in EVENTS and any(str(output) in str(one) for one in arguments):
                    count += 1
                    if count == kill_at:
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(watch)
            score(ScoreOptions(**options, output=f"{output}/"), Lines(io.StringIO()))
            os.write(writer, str(count).encode())
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writer)
    found = os.read(reader, 100)
    os.close(reader)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit(
            f"the batch into {output.name}, to be killed at {kill_at}, ended with the status {os.WEXITSTATUS(status)}"
        )
    return int(found or 0)


def visible(directory: Path) -> dict[str, str]:
    """Files that a reader of directories looks at."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.glob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def main(options: dict[str, Any], directory: Path, points: int) -> None:
    events = run(options, directory / "undisturbed")
    states = []
    for place in range(points):
        output = directory / f"killed-{place}"
        run(options, output, 1 + place * (events - 1) // (points - 1))
        states.append(visible(output))
        run(options | {"overwrite": "_SUCCESS" in states[-1]}, output)
    print(json.dumps(states))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
