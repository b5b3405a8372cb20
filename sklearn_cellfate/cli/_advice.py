"""Advice of the library, in the words of the command."""

import re

# Arguments of functions that the command has an option for.
OPTIONS = (
    *("axes", "dataset", "pixel_size", "units", "first_frame"),
    *("label_column", "min_daughters", "min_frames", "method"),
)
VALUE = r"""(?:'[^']*'|"[^"]*"|\.\.\.|[\w.]*\w)"""


def for_command(message):
    """Say on one line what a function's message advises: its arguments become options.

    Parameters
    ----------
    message : str or Exception
        Such as ``Are they counted from 1? read_tracks(..., first_frame=1).``

    Returns
    -------
    line : str
        Such as ``Are they counted from 1? --first-frame 1.``
    """
    line = " ".join(str(message).split())
    argument = rf"(?P<name>{'|'.join(OPTIONS)})=(?P<value>{VALUE})"
    line = re.sub(rf"\bread_\w+\((?:\.\.\., )?{argument}\)", _as_option, line)
    line = re.sub(rf"(?<![-\w]){argument}", _as_option, line)
    line = re.sub(r"(?:\bread_tracks\(\.\.\., )?columns=\{([^}]*)\}\)?", _as_pairs, line)
    line = re.sub(r"\bbinary=(True|False)", _as_switch, line)
    line = re.sub(r"\bcall read_\w+ with (?=--)", "give ", line)
    return re.sub(r"\bpass (?=--)", "give ", line)


def _as_option(match):
    option = f"--{match['name'].replace('_', '-')}"
    if match["value"] == "...":
        return option
    return f"{option} {match['value'].strip(chr(34) + chr(39))}"


def _as_pairs(match):
    pairs = re.findall(rf"({VALUE}): ({VALUE})", match[1])
    return " ".join(
        ["--columns", *(f"{theirs}={ours}".replace("'", "") for theirs, ours in pairs)]
    )


def _as_switch(match):
    return "--binary-labels" if match[1] == "True" else "--no-binary-labels"
