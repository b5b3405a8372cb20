"""``predict``: apply a saved model to new cells."""

from pathlib import Path

import joblib
import pandas as pd

from sklearn_cellfate.cli._first_frames import first_frames
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
    model = _load_model(options.model)
    table, _ = first_frames(read_cells(options.table))
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
