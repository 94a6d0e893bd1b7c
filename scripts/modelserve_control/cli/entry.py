"""The entry point of the `modelserve` command: it handles Ctrl-C before the slow imports begin."""

import signal
import sys

INTERRUPTED = 130


def main() -> None:
    """During the imports Ctrl-C ends the process without a traceback: a shell shows 130. Later it exits with 130."""
    # A shell starts a background process with SIGINT ignored.
    in_foreground = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if in_foreground:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from modelserve.core.memory import collect_seldom

    collect_seldom()
    import click

    from modelserve.core.errors import BadSetting
    from modelserve_control.cli.main import main as command
    from modelserve_control.common.output import refuse

    if in_foreground:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sys.exit(command(standalone_mode=False))
    except click.Abort:
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        if "--json" in sys.argv:
            refuse(BadSetting(error.format_message()), as_json=True)
        error.show()
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
