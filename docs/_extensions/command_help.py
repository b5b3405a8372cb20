"""The directive ``command-help``: what a command says of itself, never out of date."""

import contextlib
import io
import os
from unittest import mock

from docutils import nodes
from docutils.parsers.rst import Directive

from sklearn_cellfate.cli import main


class CommandHelp(Directive):
    """``.. command-help:: evaluate`` shows ``sklearn-cellfate evaluate --help``."""

    required_arguments = 0
    optional_arguments = 1

    def run(self):
        """Make the literal block."""
        text = _help_of(*self.arguments)
        block = nodes.literal_block(text, text)
        block["language"] = "none"
        return [block]


def _help_of(*command):
    said = io.StringIO()
    with (
        mock.patch.dict(os.environ, {"COLUMNS": "88"}),
        contextlib.redirect_stdout(said),
        contextlib.suppress(SystemExit),
    ):
        main([*command, "--help"])
    return said.getvalue()


def setup(app):
    """Add the directive."""
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True}
