"""The command ``sklearn-cellfate``."""

import argparse
import sys

from sklearn_cellfate.cli import _evaluate, _extract, _predict

__all__ = ["main"]

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130  # as a shell says it: 128 and the number of the signal


def main(arguments=None):
    """Run the command.

    Parameters
    ----------
    arguments : list of str, default=None
        ``sys.argv[1:]`` by default.

    Returns
    -------
    status : int
        0, or 2 where the input cannot be used; the reason is on standard error. 130 after
        Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, TypeError, OSError) as error:
        print(f"sklearn-cellfate: error: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("sklearn-cellfate: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog="sklearn-cellfate",
        description="Predict what living cells will become from microscope images.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (_extract, _evaluate, _predict):
        command.add_command(commands)
    return parser
