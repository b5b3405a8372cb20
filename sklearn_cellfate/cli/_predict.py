"""``predict``: apply a saved model to new cells."""

from pathlib import Path

import pandas as pd

from sklearn_cellfate._table_parts import read_cells_in_parts
from sklearn_cellfate.cli._first_frames import first_frames
from sklearn_cellfate.cli._models import load_classifier, names_of_rows
from sklearn_cellfate.table import listing, written_whole


def add_command(commands):
    """Add ``predict`` to the commands."""
    parser = commands.add_parser(
        "predict",
        help="apply a saved model to new cells",
        description="Predict the class of each cell of a table. Open .joblib files only from "
        "people whom you trust: they can run any code.",
    )
    parser.add_argument(
        "model", metavar="MODEL", help="folder that evaluate wrote, or a file of a fitted model"
    )
    parser.add_argument("table", metavar="TABLE.parquet", help="a cell table")
    parser.add_argument(
        "--output",
        default="predictions.csv",
        metavar="FILE",
        help=".csv or .parquet (%(default)s)",
    )
    parser.set_defaults(run=_predict)


def _predicted_parts(model, path):
    """Predict the rows of a table that may be larger than the memory."""
    done = []
    for part in read_cells_in_parts(path):
        if not len(part):
            raise ValueError(f"{path!r} has no rows.")
        try:
            done.append(_predictions(model, part))
        except ValueError as error:
            if "columns are missing" in str(error):  # a transformer of scikit-learn says only that
                raise ValueError(f"{error}; {path!r} has {listing(part.columns)}.") from error
            if not done:
                raise
            start = sum(map(len, done))  # messages count rows from the start of the part
            raise ValueError(f"{path!r} from row {start} on: {error}") from error
    return done


def _predictions(model, table):
    """Return what the model says of some rows, beside their names."""
    table, _ = first_frames(table)
    predictions = pd.DataFrame({"prediction": model.predict(table)})
    if hasattr(model, "predict_proba"):
        names = [f"probability_{label}" for label in model.classes_]
        predictions[names] = model.predict_proba(table)
    return pd.concat([names_of_rows(table), predictions], axis=1).set_axis(table.index)


def _predict(options):
    if not options.output.endswith((".csv", ".parquet")):
        raise ValueError(f"--output {options.output!r} ends neither in .csv nor in .parquet.")
    if not Path(options.output).absolute().parent.is_dir():
        raise ValueError(f"--output {options.output!r}: there is no such folder.")
    if Path(options.output).is_dir():  # said now, not after the predictions
        raise ValueError(f"--output {options.output!r} is a folder; name a file.")
    model = load_classifier(options.model)
    predictions = pd.concat(_predicted_parts(model, options.table))
    with written_whole(options.output) as partial:
        if options.output.endswith(".csv"):
            predictions.to_csv(partial)
        else:
            predictions.to_parquet(partial)
    counts = predictions["prediction"].value_counts().to_dict()
    print(f"{len(predictions)} cells {counts} written to {options.output}")
