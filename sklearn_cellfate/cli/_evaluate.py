"""``evaluate``: whether images predict, and whether they add to the measured features."""

from importlib.util import find_spec
from pathlib import Path

from sklearn_cellfate.cli._first_frames import first_frames
from sklearn_cellfate.cli._time_course import follow_time
from sklearn_cellfate.table import read_cells


def add_command(commands):
    """Add ``evaluate`` to the commands."""
    parser = commands.add_parser(
        "evaluate",
        help="do the images predict the target, and do they add to the measured features?",
        description="Cross-validate features, images, both together and raw pixels on the same "
        "group-wise folds; write tables, figures and the best model. Without a table, run on "
        "simulated nuclear FRET movies.",
    )
    parser.add_argument("table", nargs="?", metavar="TABLE.parquet", help="a cell table")
    parser.add_argument("--target", help="column of the classes")
    parser.add_argument("--groups", help="column of donor, clone, field: kept whole in folds")
    parser.add_argument(
        "--features",
        nargs="+",
        metavar="COLUMN",
        help="measured columns (default: all numeric columns but target and groups; of a table "
        "of movies, the columns with names of known measures, in each cell's first frame)",
    )
    parser.add_argument("--image", metavar="COLUMN", help="the image column, if there are several")
    parser.add_argument("--output", default="fate_report", metavar="DIR", help="%(default)s")
    parser.add_argument("--latent-dim", type=int, metavar="N", help="latent features")
    parser.add_argument("--max-epochs", type=int, metavar="N", help="epochs of training")
    parser.add_argument(
        "--time-course",
        type=int,
        nargs="?",
        const=11,
        metavar="N",
        help="of movies: also score images, and features with a value a frame, at N times of the "
        "cells' lives (11), from the first frame to the last",
    )
    parser.add_argument(
        "--cells",
        type=int,
        default=600,
        metavar="N",
        help="cells to simulate without a table (%(default)s)",
    )
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="fits at once (default: all cores, or 1 with a GPU)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="%(default)s")
    parser.add_argument(
        "--pickle",
        action="store_true",
        help="write the best model as a joblib pickle, which can run any code when it is opened, "
        "in place of a file that runs none (for which the extra 'safe' must be installed)",
    )
    parser.set_defaults(run=_evaluate)


def _evaluate(options):
    if Path(options.output).is_file():  # say so now, not after minutes of training
        raise ValueError(f"--output {options.output!r} is a file; name a folder.")
    if options.seed < 0:
        raise ValueError(f"--seed must be 0 or more, found {options.seed}.")
    if options.time_course is not None and options.time_course < 1:
        raise ValueError(f"--time-course must be 1 or more, found {options.time_course}.")
    if options.table is None:
        _refuse_columns(options)
        _evaluate_table(options, *_simulate(options))
        return
    if options.target is None:
        raise ValueError("--target is missing: which column holds the classes?")
    lives = read_cells(options.table)
    table, measured = first_frames(lives)
    if options.time_course is not None and table is lives:
        raise ValueError("--time-course needs a table of movies; this one has an image a cell.")
    features = options.features
    if features is None and measured is not None:
        features = [name for name in measured if name not in (options.target, options.groups)]
        print("No --features named: taken are columns of lists whose names are those of known")
        print("measures, such as area or mean_intensity. Name others as COLUMN_0%.")
    _say_flagged(table)
    _evaluate_table(options, table, options.target, options.groups, features, lives)


def _say_flagged(table):
    flags = [name for name in table.columns if name.startswith("flag_")]
    flagged = int(table[flags].any(axis=1).sum()) if flags else 0
    if flagged:
        print(f"{flagged} of {len(table)} cells have a quality flag, and all are used; drop what")
        print("should not be, for example with table[~table['flag_edge']].")


def _refuse_columns(options):
    for name in ("target", "groups", "features", "image"):
        if getattr(options, name) is not None:
            raise ValueError(f"--{name} is given but no table; simulated cells have their own.")


def _simulate(options):
    from sklearn_cellfate.datasets import make_cell_movies
    from sklearn_cellfate.preprocessing import FRETRatio, RelativeTimeSampler

    movies = make_cell_movies(options.cells, random_state=options.seed)
    print(
        f"{options.cells} simulated cells; best possible balanced accuracy "
        f"{movies.best_balanced_accuracy:.3f}, AUC {movies.best_auc:.3f}"
    )
    first_frames = RelativeTimeSampler(times=[0.0]).fit_transform(movies.frame)
    ratio = FRETRatio()
    table = ratio.fit_transform(first_frames)
    return table, "fate", "replicate", list(movies.feature_names), movies.frame, [ratio]


def _evaluate_table(options, table, target, groups, features, lives, steps=()):
    from sklearn_cellfate.model_selection import (
        compare_modalities,
        fit_pipeline,
        make_default_autoencoder,
        numeric_features,
    )
    from sklearn_cellfate.report import (
        describe_run,
        format_comparison,
        write_comparison,
        write_time_course,
    )

    wished = {"latent_dim": options.latent_dim, "max_epochs": options.max_epochs}
    autoencoder = make_default_autoencoder(len(table), options.seed).set_params(
        **{name: value for name, value in wished.items() if value is not None}
    )
    if features is None:
        features = numeric_features(table, target, groups)
        print("No --features named: every numeric column is taken for one. Name those that are")
        print("known when the image is taken.")
    print(f"{len(features)} features: {', '.join(features) or 'none'}")
    comparison = compare_modalities(
        table,
        target,
        groups=groups,
        features=features,
        image=options.image,
        autoencoder=autoencoder,
        n_jobs=options.jobs or _default_jobs(),
        random_state=options.seed,
        verbose=1,
    )
    print(f"\n{format_comparison(comparison)}")
    best = _best(comparison)
    model = fit_pipeline(comparison, best, table)
    run = describe_run(
        comparison,
        table,
        seed=options.seed,
        arguments=_arguments(options),
        source=options.table,
        simulated=options.table is None,
    )
    course = None
    if options.time_course is not None:
        course = follow_time(
            comparison,
            lives,
            options.time_course,
            steps=steps,
            n_jobs=options.jobs or _default_jobs(),
            seed=options.seed,
        )
    pickle = options.pickle or find_spec("skops") is None
    files = write_comparison(
        comparison, table, model, options.output, run=run, name=best, pickle=pickle
    )
    if course is not None:
        files.append(write_time_course(course, options.output))
    looks = "" if best != "features" else "; it does not look at the images"
    print(f"\nbest: {best!r}, fitted on all {len(table)} rows{looks}")
    print(f"written to {options.output}: {', '.join(file.name for file in files)}")
    if pickle:
        print("model.joblib is a pickle: opening it runs whatever is in it. A file that runs")
        print('nothing needs pip install "sklearn-cellfate[safe]", and no --pickle.')
    print(f"a page of it: sklearn-cellfate report {options.output} -o report.html")


def _arguments(options):
    """Options as given; of files and folders the name, for reports are handed on."""
    given = {name: value for name, value in vars(options).items() if name != "run"}
    paths = {name: Path(given[name]).name for name in ("table", "output") if given[name]}
    return given | paths


def _best(comparison):
    means = comparison.summary.xs("balanced_accuracy", level="metric")["mean"]
    return means.idxmax()


def _default_jobs():
    import torch

    return 1 if torch.cuda.is_available() else -1
