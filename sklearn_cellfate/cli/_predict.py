"""``predict``: apply a saved model to new cells."""

from pathlib import Path

import pandas as pd

from sklearn_cellfate.cli._first_frames import first_frames
from sklearn_cellfate.cli._models import load_model, names_of_rows
from sklearn_cellfate.table import read_cells, written_whole


def add_command(commands):
    """Add ``predict`` to the commands."""
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


def _predict(options):
    if not options.output.endswith((".csv", ".parquet")):
        raise ValueError(f"--output {options.output!r} ends neither in .csv nor in .parquet.")
    if not Path(options.output).absolute().parent.is_dir():
        raise ValueError(f"--output {options.output!r}: there is no such folder.")
    model = load_model(options.model)
    table, _ = first_frames(read_cells(options.table))
    if not len(table):
        raise ValueError(f"{options.table!r} has no rows.")
    predictions = pd.DataFrame({"prediction": model.predict(table)})
    if hasattr(model, "predict_proba"):
        names = [f"probability_{label}" for label in model.classes_]
        predictions[names] = model.predict_proba(table)
    predictions = pd.concat([names_of_rows(table), predictions], axis=1).set_axis(table.index)
    with written_whole(options.output) as partial:
        if options.output.endswith(".csv"):
            predictions.to_csv(partial)
        else:
            predictions.to_parquet(partial)
    counts = predictions["prediction"].value_counts().to_dict()
    print(f"{len(predictions)} cells {counts} written to {options.output}")
