"""The command ``sklearn-cellfate``."""

import argparse
import contextlib
import signal
import sys
import threading

from sklearn_cellfate.cli import _evaluate, _explain, _extract, _predict, _report
from sklearn_cellfate.cli._advice import for_command

__all__ = ["main"]

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130  # as a shell says it: 128 and the number of the signal
EXIT_TERMINATED = 143


class _Terminated(BaseException):
    """SIGTERM came; like KeyboardInterrupt no Exception, so that nothing takes it for one."""


def main(arguments=None):
    """Run the command.

    Parameters
    ----------
    arguments : list of str, default=None
        ``sys.argv[1:]`` by default.

    Returns
    -------
    status : int
        0, or 2 where the input cannot be used or a package for it is not installed; the reason
        is on standard error. 130 after Ctrl-C, 143 after SIGTERM: no half-written file is left.
    """
    options = _parser().parse_args(arguments)
    try:
        with _sigterm_raises():
            options.run(options)
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"sklearn-cellfate: error: {for_command(error)}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("sklearn-cellfate: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except _Terminated:
        print("sklearn-cellfate: terminated", file=sys.stderr)
        return EXIT_TERMINATED
    return 0


@contextlib.contextmanager
def _sigterm_raises():
    """Let SIGTERM clean up on its way out, as Ctrl-C does."""

    def terminate(number, frame):
        raise _Terminated

    if threading.current_thread() is not threading.main_thread():  # which alone may handle signals
        yield
        return
    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _parser():
    parser = argparse.ArgumentParser(
        prog="sklearn-cellfate",
        description="Predict what living cells will become from microscope images.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (_extract, _evaluate, _predict, _explain, _report):
        command.add_command(commands)
    return parser
