"""``extract``: from a movie and its tracks to a cell table."""

import argparse
import contextlib
import sys
import warnings
from pathlib import Path

from sklearn_cellfate.cli._advice import for_command
from sklearn_cellfate.table import listing, to_movies, write_cells

MASKS = {"apply": "apply", "channel": "channel", "none": None}


def add_command(commands):
    """Add ``extract`` to the commands."""
    parser = commands.add_parser(
        "extract",
        help="cut the tracked cells out of a movie",
        description="Cut every tracked cell out of its movie and write a cell table: a row a "
        "cell, with its own movie, quality flags, and its fate where the tracks say who divides. "
        "The movie may be larger than the memory. The table appears whole or not at all.",
    )
    parser.add_argument(
        "stack",
        metavar="STACK",
        help="the movie: TIFF, OME-TIFF, OME-Zarr, HDF5, or a folder of numbered images",
    )
    parser.add_argument(
        "tracks",
        metavar="TRACKS",
        help="TrackMate XML or CSV, btrack HDF5, man_track.txt, any CSV or Parquet",
    )
    parser.add_argument("--labels", metavar="LABELS", help="label images; 0 is the background")
    parser.add_argument(
        "-o", "--output", default="cells.parquet", metavar="FILE.parquet", help="%(default)s"
    )
    _add_reading(parser)
    _add_cropping(parser)
    _add_judging(parser)
    parser.set_defaults(run=_extract)


def _add_reading(parser):
    reading = parser.add_argument_group("how to read the files")
    reading.add_argument(
        "--pixel-size",
        type=float,
        metavar="UM",
        help="micrometres a pixel; says that the tracks' positions are in micrometres, unless "
        "the file itself names its unit",
    )
    reading.add_argument(
        "--units", choices=["pixel", "um"], help="of the tracks' positions, whatever the file says"
    )
    reading.add_argument(
        "--axes",
        metavar="TYX",
        type=str.upper,
        help="a letter a dimension of the movie, slowest first (T frame, C channel, Y, X), "
        "where the file does not say",
    )
    reading.add_argument(
        "--dataset",
        type=_dataset,
        metavar="NAME",
        help="which of several images in the movie's file: a number in TIFF, a path in HDF5",
    )
    reading.add_argument(
        "--labels-dataset", type=_dataset, metavar="NAME", help="the same for the label images"
    )
    reading.add_argument(
        "--first-frame",
        type=int,
        metavar="N",
        help="number of the movie's first frame in the tracks (0, unless the files say another)",
    )
    reading.add_argument(
        "--columns",
        nargs="+",
        metavar="THEIRS=OURS",
        help="names of columns in a table of tracks, such as particle=cell; ours are cell, "
        "frame, x, y, parent",
    )
    reading.add_argument(
        "--binary-labels",
        action=argparse.BooleanOptionalAction,
        help="the label images are masks: number the objects of each frame; with --no-, they are "
        "labels, even if they look like masks",
    )


def _add_cropping(parser):
    cropping = parser.add_argument_group("how to cut")
    cropping.add_argument(
        "--size",
        type=int,
        nargs="+",
        default=[20],
        metavar="PIXELS",
        help="of a crop: its side, or height and width (20)",
    )
    cropping.add_argument(
        "--mask",
        choices=list(MASKS),
        default="apply",
        help="apply: pixels outside the own object become 0; channel: they stay, and the own "
        "object is one more channel; none: they stay (%(default)s)",
    )
    cropping.add_argument(
        "--label-column",
        metavar="COLUMN",
        help="column of the tracks with the label of the cell's object, such as cell (default: "
        "label, if the tracks have it, or else the object under the cell's position)",
    )


def _add_judging(parser):
    judging = parser.add_argument_group("what to say of the cells")
    judging.add_argument(
        "--min-frames",
        type=int,
        default=11,
        metavar="N",
        help="cells with fewer frames are flagged as short (%(default)s)",
    )
    judging.add_argument(
        "--min-daughters",
        type=int,
        default=1,
        metavar="N",
        help="a cell with fewer daughters did not divide (%(default)s)",
    )
    judging.add_argument(
        "--hot-pixel-channel",
        type=int,
        nargs="+",
        metavar="CHANNEL",
        help="the channel to look for hot pixels in, or the two whose ratio to look at (0 1)",
    )
    judging.add_argument(
        "--hot-pixel-threshold",
        type=float,
        metavar="VALUE",
        help="how far a hot pixel is above all others of its crop: a ratio (4), or grey values "
        "where one channel is named",
    )


def _dataset(text):
    return int(text) if text.isdecimal() else text


def _extract(options):
    _check(options)
    from sklearn_cellfate.io import extract_cells, read_labels, read_stack, read_tracks

    with _warnings_in_a_line():
        stack = read_stack(
            options.stack,
            axes=options.axes,
            pixel_size=options.pixel_size,
            dataset=options.dataset,
        )
        channel = _hot_pixel_channel(options, stack.shape[1])
        labels = None
        if options.labels is not None:
            labels = read_labels(
                options.labels,
                axes=_axes_of_labels(options),
                dataset=options.labels_dataset,
                binary=options.binary_labels,
            )
        tracks = read_tracks(
            options.tracks,
            columns=_columns(options.columns),
            pixel_size=options.pixel_size,
            units=options.units,
            first_frame=options.first_frame,
        )
        table = extract_cells(
            stack,
            tracks,
            labels,
            size=options.size[0] if len(options.size) == 1 else tuple(options.size),
            mask=MASKS[options.mask],
            label_column=options.label_column,
            verbose=1,
        )
        _say_what(table, stack)
        table = _with_fates(table, tracks, len(stack), options.min_daughters)
        threshold = options.hot_pixel_threshold
        table = _with_flags(
            table,
            channel=channel,
            mask_channel=-1 if labels is not None and options.mask == "channel" else None,
            min_frames=options.min_frames,
            **({} if threshold is None else {"threshold": threshold}),
        )
    write_cells(table, options.output)
    size = Path(options.output).stat().st_size / 1e6
    print(f"written to {options.output} ({size:.1f} MB)")


def _check(options):
    """Say what is wrong with the request before a large file is read."""
    output = Path(options.output)
    if output.suffix != ".parquet":
        raise ValueError(f"--output {options.output!r} does not end in .parquet.")
    if not output.absolute().parent.is_dir():
        raise ValueError(f"--output {options.output!r}: there is no such folder.")
    if output.is_dir():
        raise ValueError(f"--output {options.output!r} is a folder; name a file.")
    if len(options.size) > 2:
        raise ValueError(f"--size takes one or two numbers, found {len(options.size)}.")
    for name in ("min_frames", "min_daughters"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name.replace('_', '-')} must be 1 or more.")
    channels = options.hot_pixel_channel
    if channels is not None and len(channels) > 2:
        raise ValueError(f"--hot-pixel-channel takes one or two numbers, found {len(channels)}.")
    if channels is not None and len(channels) == 1 and options.hot_pixel_threshold is None:
        raise ValueError("--hot-pixel-channel of one channel needs --hot-pixel-threshold.")
    if options.labels is None:
        for name in ("label_column", "binary_labels", "labels_dataset"):
            if getattr(options, name) is not None:
                raise ValueError(f"--{name.replace('_', '-')} is given but no --labels.")
        if options.mask == "channel":
            raise ValueError("--mask channel is given but no --labels.")


def _columns(pairs):
    if pairs is None:
        return None
    wrong = [pair for pair in pairs if pair.count("=") != 1]
    if wrong:
        raise ValueError(f"--columns takes THEIRS=OURS, found {wrong[0]!r}.")
    return dict(pair.split("=") for pair in pairs)


def _axes_of_labels(options):
    """Axes of the movie, without its channels, which labels do not have."""
    return options.axes and "".join(axis for axis in options.axes if axis not in "CS")


def _say_what(table, stack):
    frames = table["frame"].map(len).sum()
    _, channels, height, width = to_movies(table["movie"])[0].shape
    seen = len(set().union(*table["frame"]))
    print(
        f"{len(table)} cells in field {stack.name!r}: {frames} crops of {height} x {width} pixels "
        f"and {channels} channel(s), from {seen} of {len(stack)} frames"
    )


def _with_fates(table, tracks, n_frames, min_daughters):
    from sklearn_cellfate.io import label_fates

    if tracks["parent"].isna().all():
        print("no cell has a parent in these tracks, so no fates are added")
        return table
    fates = label_fates(tracks, n_frames=n_frames, min_daughters=min_daughters)
    fates = fates.set_index("cell").loc[table["cell"]]
    taken = {name: f"{name}_in_tracks" for name in table.columns.intersection(fates.columns)}
    table = table.rename(columns=taken)
    for position, name in enumerate(fates.columns, start=table.columns.get_loc("movie")):
        table.insert(position, name, fates[name].array)
    counts = ", ".join(f"{n} {fate}" for fate, n in fates["fate"].value_counts().items())
    print(f"fates: {counts} (censored: last seen alive)")
    return table


def _hot_pixel_channel(options, n_channels):
    """Return the channels to judge hot pixels by; None where nothing says how bright is hot."""
    channels = options.hot_pixel_channel
    if channels is None:
        if n_channels > 1:
            return 0, 1
        print("hot pixels are not looked for in a single channel, unless you say from which grey")
        print("value on: --hot-pixel-channel 0 --hot-pixel-threshold VALUE")
        return None
    if not all(0 <= channel < n_channels for channel in channels):
        raise ValueError(
            f"--hot-pixel-channel {' '.join(map(str, channels))}: the movie has channels 0 to "
            f"{n_channels - 1}."
        )
    return channels[0] if len(channels) == 1 else tuple(channels)


def _with_flags(table, **options):
    from sklearn_cellfate.quality import flag_all, summarize_quality

    clash = [name for name in table.columns if str(name).startswith("flag_")]
    if clash:
        raise ValueError(f"the tracks have columns {listing(clash)}, which flags would replace.")
    table = flag_all(table, **options)
    print(f"quality, no cell is dropped:\n{summarize_quality(table).to_string()}")
    return table


@contextlib.contextmanager
def _warnings_in_a_line():
    """Show what the readers warn of as one line each, without the place in the code."""

    def show(message, *args, **kwargs):
        print(f"sklearn-cellfate: warning: {for_command(message)}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        yield
