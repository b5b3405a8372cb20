"""Damage files at random, and say what reading them comes to.

``python tests/mutations.py --count 1000`` damages a thousand files of each format and prints the
table of ``docs/hostile_input.rst``. A mutation is known by its format and number: the same two
give the same damaged file.
"""

import argparse
import collections
import contextlib
import functools
import io
import multiprocessing
import os
import random
import re
import resource
import shutil
import struct
import tempfile
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
from hostile_samples import FORMATS

MEMORY = 6 * 2**30  # what a reader may address, its libraries among it
SECONDS = 20  # what reading a file of a few kilobytes may take
NUMBERS = [0, 1, -1, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1]
WORDS = ["", "0", "-1", "2147483648", "9223372036854775808", "1" + "0" * 30, "1e308", "1e999"]
WORDS += ["NaN", "nan", "inf", "-inf", "text", "1,5", "0x10", "1.5", "\u0663", '"', "\x00", "null"]
TEXT = {".xml", ".csv", ".txt", ".json", ".zgroup", ".zattrs", ".zarray", ".zmetadata"}


# How to damage -------------------------------------------------------------------------------


def flip_bits(data, rng):
    """Turn over one to eight bits."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def truncate(data, rng):
    """Keep the start."""
    return data[: rng.randrange(len(data))]


def remove_block(data, rng):
    """Lose some bytes from the middle."""
    start, end = _block(data, rng)
    return data[:start] + data[end:]


def repeat_block(data, rng):
    """Have some bytes twice."""
    start, end = _block(data, rng)
    return data[:end] + data[start:]


def clear_block(data, rng):
    """Have zeros, or ones, for some bytes, as a failing disk gives them."""
    start, end = _block(data, rng)
    return data[:start] + rng.choice([b"\0", b"\xff"]) * (end - start) + data[end:]


def set_number(data, rng):
    """Write a number that counts nothing sound where headers have theirs."""
    width, order = rng.choice([2, 4, 8]), rng.choice(["<", ">"])
    if len(data) <= width:
        return b""
    span = min(len(data) - width, rng.choice([64, 512, 4096]))
    position = rng.choice([rng.randrange(span), len(data) - width - rng.randrange(span)])
    return _with_number(data, position, width, order, rng)


def set_tiff_tag(data, rng):
    """Write such a number into a tag: its kind, its count or its value."""
    fields = _tiff_fields(data)
    if not fields:
        return set_number(data, rng)
    position, width = rng.choice(fields)
    return _with_number(data, position, width, "<" if data[:2] == b"II" else ">", rng)


def set_png_header(data, rng):
    """Write such a number into the header of a PNG file, whose sum then is right again."""
    header = bytearray(data[12:29])
    position, width = rng.choice([(4, 4), (8, 4), (12, 1), (13, 1), (16, 1)])
    number = rng.choice(NUMBERS) % 256**width
    header[position : position + width] = number.to_bytes(width, "big")
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


def set_word(data, rng):
    """Write something else for a number in a text."""
    text = data.decode("latin-1")
    places = list(re.finditer(r"-?\d+(\.\d+)?", text))
    if not places:
        return truncate(data, rng)
    place = rng.choice(places)
    return (text[: place.start()] + rng.choice(WORDS) + text[place.end() :]).encode("utf-8")


def remove_element(data, rng):
    """Lose a tag, an attribute or a cell of a table."""
    text = data.decode("latin-1")
    places = list(re.finditer(r"<[^>]*>|\s[\w.]+=\"[^\"]*\"|\"\w+\":|[^,;\s]+[,;]", text))
    if not places:
        return truncate(data, rng)
    place = rng.choice(places)
    return (text[: place.start()] + text[place.end() :]).encode("latin-1")


def mix_lines(data, rng):
    """Lose a line, have it twice, or have two change places."""
    lines = data.splitlines(keepends=True)
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    what = rng.randrange(3)
    if what == 0:
        del lines[i]
    elif what == 1:
        lines.insert(j, lines[i])
    else:
        lines[i], lines[j] = lines[j], lines[i]
    return b"".join(lines)


ANY = [flip_bits, truncate, remove_block, repeat_block, clear_block]
OF_TEXT = [set_word, set_word, set_word, remove_element, remove_element, mix_lines, mix_lines]


def mutate(data, suffix, rng):
    """Return damaged bytes and the name of what was done to them."""
    if not data:
        return b"\0", "one byte"
    how = ANY + [set_number] * 3
    if suffix in TEXT:
        how = ANY + OF_TEXT
    elif data[:2] in (b"II", b"MM"):
        how = how + [set_tiff_tag] * 5
    elif data[:4] == b"\x89PNG" and len(data) > 33:
        how = how + [set_png_header] * 4
    chosen = rng.choice(how)
    return chosen(data, rng), chosen.__name__


def _block(data, rng):
    start = rng.randrange(len(data))
    return start, min(len(data), start + rng.choice([1, 4, 16, 64, 512, 4096]))


def _with_number(data, position, width, order, rng):
    number = (rng.choice(NUMBERS) % 2 ** (8 * width)).to_bytes(
        width, "little" if order == "<" else "big"
    )
    return data[:position] + number + data[position + width :]


def _tiff_fields(data):
    """Return place and width of what the tags of a TIFF file say: kind, count and value."""
    order = "<" if data[:2] == b"II" else ">"
    big = 43 in data[2:4]
    pointer, count, size = ("Q", "Q", 20) if big else ("I", "H", 12)
    width, fields = struct.calcsize(pointer), []
    at = 8 if big else 4
    with contextlib.suppress(struct.error):
        while len(fields) < 600:
            fields.append((at, width))
            (at,) = struct.unpack_from(order + pointer, data, at)
            if not at:
                break
            (n_tags,) = struct.unpack_from(order + count, data, at)
            at += struct.calcsize(count)
            for tag in range(at, at + n_tags * size, size):
                fields += [(tag + 2, 2), (tag + 4, width), (tag + 4 + width, width)]
                fields.append((tag + 4 + width, 2))  # a short value lies at the start
            at += n_tags * size
    return [(place, wide) for place, wide in fields if place + wide <= len(data)]


# What reading comes to -----------------------------------------------------------------------


def outcome(name, number, samples, folder):
    """Damage a copy of one of the sound files of a format and read it.

    Returns the kind of outcome and what to know of it: "refused" by an error of ours, "same" as
    the sound file, "other" but sound, or "foreign" for an error that is not ours.
    """
    rng = random.Random(f"{name} {number}")
    sound = samples[number % len(samples)]
    path = folder / sound.name
    (shutil.copytree if sound.is_dir() else shutil.copy)(sound, path)
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    damaged = rng.choice(files)
    data, how = mutate(damaged.read_bytes(), damaged.suffix or damaged.name, rng)
    damaged.write_bytes(data)
    what = f"{how} in {damaged.relative_to(folder)}"
    names = {path.name, damaged.name}
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            found = FORMATS[name].read(path)
    except (ValueError, OSError, ImportError) as error:
        line = str(error)
        named = any(name in line for name in names)
        ours = named and "\n" not in line and type(error) in (ValueError, FileNotFoundError)
        return "refused" if ours else "foreign", f"{what}: {error!r}"
    except BaseException as error:
        return "foreign", f"{what}: {error!r}"
    return ("same" if _equal(found, _expected(name, sound)) else "other"), what


@functools.cache
def _expected(name, sound):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return FORMATS[name].read(sound)


def _equal(found, expected):
    if isinstance(expected, pd.DataFrame):
        return isinstance(found, pd.DataFrame) and found.equals(expected)
    return isinstance(found, tuple) and all(
        np.array_equal(one, other) for one, other in zip(found, expected)
    )


# In a process that may die -------------------------------------------------------------------


class Reader:
    """A process that reads damaged files, and is replaced when it dies or does not answer."""

    def __init__(self, folder):
        self._folder, self._process = Path(folder), None

    def __enter__(self):
        """Start when there is something to do."""
        return self

    def __exit__(self, *error):
        """Stop."""
        self._stop()

    def read(self, name, number):
        """Return the outcome of a mutation, which may be a "hang" or a "crash" as well."""
        kind, what = self._read_once(name, number)
        if kind == "hang":  # or the machine was held up, which does not come twice
            kind, what = self._read_once(name, number)
        return kind, what

    def _read_once(self, name, number):
        if self._process is None:
            self._start()
        self._pipe.send((name, number))
        if not self._pipe.poll(SECONDS):
            self._stop()
            return "hang", f"no answer after {SECONDS} s"
        try:
            return self._pipe.recv()
        except EOFError:
            self._process.join()
            code = self._process.exitcode
            self._stop()
            return "crash", f"exit code {code}"

    def _start(self):
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._folder), daemon=True)
        self._process.start()
        theirs.close()
        self._pipe.recv()  # it is ready: what it imports is not counted

    def _stop(self):
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = None


def _serve(pipe, folder):
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    samples = {}
    pipe.send("ready")
    while True:
        name, number = pipe.recv()
        if name not in samples:
            home = Path(tempfile.mkdtemp(dir=folder))
            samples[name] = FORMATS[name].write(home)
        with tempfile.TemporaryDirectory(dir=folder) as place:
            pipe.send(outcome(name, number, samples[name], Path(place)))


def main():
    """Damage and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="mutations of each format")
    parser.add_argument("--first", type=int, default=0, help="number of the first mutation")
    parser.add_argument("--formats", nargs="+", default=list(FORMATS), choices=list(FORMATS))
    parser.add_argument("--show", nargs="*", default=["foreign", "hang", "crash"])
    options = parser.parse_args()
    print("| format | refused | same | other, sound | not ours | hangs | crashes | s |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
    with tempfile.TemporaryDirectory() as folder, Reader(folder) as reader:
        for name in options.formats:
            counts, shown, start = collections.Counter(), [], time.monotonic()
            for number in range(options.first, options.first + options.count):
                kind, what = reader.read(name, number)
                counts[kind] += 1
                if kind in options.show:
                    shown.append(f"  {kind} {number}: {what}")
            kinds = ("refused", "same", "other", "foreign", "hang", "crash")
            row = [name, *(counts[kind] for kind in kinds), round(time.monotonic() - start)]
            print("|", " | ".join(map(str, row)), "|", flush=True)
            print(*shown, sep="\n", end="\n" * bool(shown), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
