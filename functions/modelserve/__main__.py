"""The one command of the image: `python -m modelserve http|events|worker`. It is in the directory that holds `main.py`."""

import sys

from modelserve.core.memory import collect_seldom

USAGE = "usage: python -m modelserve http|events|worker"


def main(arguments: list[str]) -> None:
    collect_seldom()
    match arguments:
        case ["http" | "events" as kind]:
            from modelserve.server.container import run_function

            run_function(kind)
        case ["worker"]:
            from modelserve.server.worker import run_worker

            run_worker()
        case _:
            raise SystemExit(USAGE)


if __name__ == "__main__":
    main(sys.argv[1:])
