"""Where the `modelserve` command begins: before its imports, which are the first moment of its life."""

from __future__ import annotations

import signal


def main() -> None:
    """Until the command itself can answer Ctrl-C, it ends the process as it ends any other: a shell shows 130."""
    # Whom a shell started in the background, Ctrl-C does not reach.
    reached = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if reached:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from modelserve_control.cli.main import main as command

    if reached:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command()
