"""The command ``sklearn-cellfate``."""

import argparse
import sys
from pathlib import Path

import joblib
import pandas as pd

from sklearn_cellfate.table import read_cells, written_whole

__all__ = ["main"]

EXIT_BAD_INPUT = 2


def main(arguments=None):
    """Run the command.

    Parameters
    ----------
    arguments : list of str, default=None
        ``sys.argv[1:]`` by default.

    Returns
    -------
    status : int
        0, or 2 where the input cannot be used; the reason is on standard error.
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, TypeError, OSError) as error:
        print(f"sklearn-cellfate: error: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_BAD_INPUT
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog="sklearn-cellfate",
        description="Predict what living cells will become from microscope images.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_evaluate(commands)
    _add_predict(commands)
    return parser


def _add_evaluate(commands):
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
        help="measured columns (default: all numeric columns but target and groups)",
    )
    parser.add_argument("--image", metavar="COLUMN", help="the image column, if there are several")
    parser.add_argument("--output", default="fate_report", metavar="DIR", help="%(default)s")
    parser.add_argument("--latent-dim", type=int, metavar="N", help="latent features")
    parser.add_argument("--max-epochs", type=int, metavar="N", help="epochs of training")
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
    parser.set_defaults(run=_evaluate)


def _add_predict(commands):
    parser = commands.add_parser(
        "predict",
        help="apply a saved model to new cells",
        description="Predict the class of each cell of a table. Open only models from people "
        "whom you trust: a joblib file can run any code.",
    )
    parser.add_argument("model", metavar="MODEL.joblib", help="written by evaluate")
    parser.add_argument("table", metavar="TABLE.parquet", help="a cell table")
    parser.add_argument(
        "--output",
        default="predictions.csv",
        metavar="FILE",
        help=".csv or .parquet (%(default)s)",
    )
    parser.set_defaults(run=_predict)


def _evaluate(options):
    if Path(options.output).is_file():  # say so now, not after minutes of training
        raise ValueError(f"--output {options.output!r} is a file; name a folder.")
    if options.seed < 0:
        raise ValueError(f"--seed must be 0 or more, found {options.seed}.")
    if options.table is None:
        _refuse_columns(options)
        table, target, groups, features = _simulate(options)
    else:
        if options.target is None:
            raise ValueError("--target is missing: which column holds the classes?")
        table, target, groups, features = (
            read_cells(options.table),
            options.target,
            options.groups,
            options.features,
        )
    _evaluate_table(options, table, target, groups, features)


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
    table = FRETRatio().fit_transform(first_frames)
    return table, "fate", "replicate", list(movies.feature_names)


def _evaluate_table(options, table, target, groups, features):
    from sklearn_cellfate.model_selection import (
        compare_modalities,
        fit_pipeline,
        make_default_autoencoder,
        numeric_features,
    )
    from sklearn_cellfate.report import format_comparison, write_comparison

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
    files = write_comparison(comparison, table, model, options.output)
    looks = "" if best != "features" else "; it does not look at the images"
    print(f"\nbest: {best!r}, fitted on all {len(table)} rows{looks}")
    print(f"written to {options.output}: {', '.join(file.name for file in files)}")


def _best(comparison):
    means = comparison.summary.xs("balanced_accuracy", level="metric")["mean"]
    return means.idxmax()


def _default_jobs():
    import torch

    return 1 if torch.cuda.is_available() else -1


def _predict(options):
    if not options.output.endswith((".csv", ".parquet")):
        raise ValueError(f"--output {options.output!r} ends neither in .csv nor in .parquet.")
    if not Path(options.output).absolute().parent.is_dir():
        raise ValueError(f"--output {options.output!r}: there is no such folder.")
    model = _load_model(options.model)
    table = read_cells(options.table)
    if not len(table):
        raise ValueError(f"{options.table!r} has no rows.")
    predictions = pd.DataFrame({"prediction": model.predict(table)})
    if hasattr(model, "predict_proba"):
        names = [f"probability_{label}" for label in model.classes_]
        predictions[names] = model.predict_proba(table)
    predictions = pd.concat([_names_of_rows(table), predictions], axis=1).set_axis(table.index)
    with written_whole(options.output) as partial:
        if options.output.endswith(".csv"):
            predictions.to_csv(partial)
        else:
            predictions.to_parquet(partial)
    counts = predictions["prediction"].value_counts().to_dict()
    print(f"{len(predictions)} cells {counts} written to {options.output}")


def _names_of_rows(table):
    """Text, category and integer columns: names of cells, donors, fields."""
    kinds = (pd.StringDtype, pd.CategoricalDtype)
    names = [
        name
        for name, dtype in table.dtypes.items()
        if isinstance(dtype, kinds) or pd.api.types.is_integer_dtype(dtype)
    ]
    taken = {name: f"{name}_in_table" for name in names if name == "prediction"}
    return table[names].rename(columns=taken).reset_index(drop=True)


def _load_model(path):
    if not Path(path).is_file():
        raise FileNotFoundError(f"no model at {path!r}.")
    try:
        model = joblib.load(path)
    except Exception as error:  # whatever a damaged pickle happens to raise
        raise ValueError(f"{path!r} is not a readable model: {error!r}") from error
    if not hasattr(model, "predict"):
        raise ValueError(f"{path!r} holds a {type(model).__name__}, which cannot predict.")
    return model
