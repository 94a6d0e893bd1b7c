"""Run a program that ends with its starter: `python launcher.py STARTER_PID PROGRAM [ARGUMENT ...]`.

It is a plain script, because importing the package would slow down every process. On Linux the kernel sends SIGTERM to the
program when the thread that started it ends in any way; elsewhere only an orderly end of the starter stops it.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h; it survives exec


def main(starter: int, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        # The starter may have ended before the line above.
        if os.getppid() != starter:
            sys.exit(1)
    try:
        os.execvp(command[0], command)  # noqa: S606  (replacing this process is what it is for)
    except OSError as error:
        sys.exit(f"cannot start {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
