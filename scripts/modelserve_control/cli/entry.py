"""The entry point of the `modelserve` command: it handles Ctrl-C before the slow imports begin."""

import signal


def main() -> None:
    """During the imports Ctrl-C ends the process without a traceback: a shell shows 130."""
    # A shell starts a background process with SIGINT ignored.
    in_foreground = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if in_foreground:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from modelserve_control.cli.main import main as command

    if in_foreground:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command()
