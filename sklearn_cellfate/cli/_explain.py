"""``explain``: what the latent features look like, and which pixels speak for a class."""

from pathlib import Path

import numpy as np
import pandas as pd

from sklearn_cellfate.cli._first_frames import first_frames
from sklearn_cellfate.cli._models import load_model, names_of_rows
from sklearn_cellfate.table import folder_written_whole, image_column, read_cells, write_cells


def add_command(commands):
    """Add ``explain`` to the commands."""
    parser = commands.add_parser(
        "explain",
        help="show what a model looks at",
        description="Map which pixels speak for a class, in some cells of each predicted class; "
        "of an autoencoder also decode along each latent feature and correlate it with measured "
        "columns. Open .joblib files only from people whom you trust: they can run any code.",
    )
    parser.add_argument(
        "model", metavar="MODEL", help="folder that evaluate wrote, or a file of a fitted model"
    )
    parser.add_argument("table", metavar="TABLE.parquet", help="a cell table")
    parser.add_argument("-o", "--output", default="explanation", metavar="DIR", help="%(default)s")
    parser.add_argument(
        "--target",
        metavar="CLASS",
        help="class, or latent feature such as 'latent 0' (default: a cell's predicted class)",
    )
    parser.add_argument(
        "--method",
        default="lrp",
        choices=["lrp", "gradient", "input_x_gradient", "integrated_gradients", "smoothgrad"],
        help="how relevance is computed (%(default)s)",
    )
    parser.add_argument(
        "--cells", type=int, default=8, metavar="N", help="cells with a map (%(default)s)"
    )
    parser.add_argument(
        "--steps", type=int, default=5, metavar="N", help="steps along a latent (%(default)s)"
    )
    parser.add_argument(
        "--features",
        nargs="+",
        metavar="COLUMN",
        help="measured columns that latent features are correlated with",
    )
    parser.add_argument(
        "--groups", metavar="COLUMN", help="donor, clone, field: for intervals of correlations"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="%(default)s")
    parser.set_defaults(run=_explain)


def _explain(options):
    _check_options(options)
    model = load_model(options.model)
    if not hasattr(model, "fit"):
        raise ValueError(
            f"{options.model!r} holds a {type(model).__name__}, which is no fitted model."
        )
    table, _ = first_frames(read_cells(options.table))
    _check_table(options, table)
    from sklearn_cellfate.inspection._pipelines import find_explained

    _check_model(model)
    explained, _ = find_explained(model, table)
    files = {}
    if hasattr(explained, "classes_") or options.target is not None:
        files |= _explain_pixels(options, model, table)
    else:
        print("no relevance: the autoencoder knows no classes; name --target 'latent 0'")
    if hasattr(explained, "inverse_transform") and len(table) > 1:
        files |= _explain_latents(options, model, table)
    elif options.features:
        print("no correlations: they need an autoencoder and several cells")
    with folder_written_whole(options.output) as draft:
        for name, write in files.items():
            write(draft / name)
    print(f"written to {options.output}: {', '.join(files)}")


def _check_options(options):
    if Path(options.output).is_file():
        raise ValueError(f"--output {options.output!r} is a file; name a folder.")
    for name, least in (("cells", 1), ("steps", 2), ("seed", 0)):
        if getattr(options, name) < least:
            raise ValueError(f"--{name} must be {least} or more, found {getattr(options, name)}.")


def _check_model(model):
    from sklearn_cellfate.inspection._pipelines import find_network

    try:
        find_network(model, with_patches=True)
    except ValueError as error:
        raise ValueError(
            f"{error} evaluate saves what scored best; for another: fit_pipeline(comparison, "
            "'images', cells) in Python."
        ) from error


def _check_table(options, table):
    if not len(table):
        raise ValueError(f"{options.table!r} has no rows.")
    for name in [*(options.features or []), *([options.groups] if options.groups else [])]:
        if name not in table.columns:
            raise ValueError(f"{options.table!r} has no column {name!r}.")


def _explain_pixels(options, model, table):
    """Files about some cells' relevance, by name, each with what writes it."""
    from sklearn_cellfate.inspection import RelevanceDisplay, relevance
    from sklearn_cellfate.inspection._pipelines import find_explained
    from sklearn_cellfate.inspection._relevance._units import describe_relevance

    target = _find_class(options.target, getattr(model, "classes_", np.array([])))
    rows, predicted = _choose_rows(model, table, options.cells, options.seed)
    chosen = table.iloc[rows]
    explained, images = find_explained(model, chosen)
    asked = predicted if target is None else target
    maps, scores = relevance(
        model,
        chosen,
        asked,
        method=options.method,
        return_scores=True,
        random_state=options.seed,
    )
    predictions = {} if predicted is None else {"prediction": predicted}
    written = names_of_rows(chosen).assign(
        row=rows,
        **predictions,
        image=image_column(images),
        relevance=image_column(maps.reshape(len(maps), -1, *images.shape[2:])),
        score=scores["score"].to_numpy(),
        constant=scores["constant"].to_numpy(),
    )

    def write_figure(path):
        names = [f"row {row}" for row in rows]
        if predicted is not None:
            names = [f"{name}, predicted {label}" for name, label in zip(names, predicted)]
        unit = f"{options.method} {describe_relevance(explained, target, options.method)}"
        display = RelevanceDisplay(images, maps, names=names, unit=unit, scores=scores)
        _save(path, display.plot)

    return {
        "relevance.parquet": lambda path: write_cells(written, path),
        "relevance.png": write_figure,
    }


def _explain_latents(options, model, table):
    """Files about latent features, by name, each with what writes it."""
    from sklearn_cellfate.inspection import (
        LatentCorrelationsDisplay,
        LatentTraversalDisplay,
        latent_correlations,
        latent_traversal,
    )

    traversal = latent_traversal(model, table, options.steps)
    files = {
        "traversal.csv": lambda path: traversal.table.to_csv(path, index=False),
        "traversal.png": lambda path: _save(path, LatentTraversalDisplay(traversal).plot),
    }
    if not options.features:
        return files
    correlations = latent_correlations(
        model,
        table,
        options.features,
        groups=None if options.groups is None else table[options.groups].to_numpy(),
        random_state=options.seed,
    )
    return files | {
        "correlations.csv": lambda path: correlations.to_csv(path, index=False),
        "correlations.png": lambda path: _save(path, LatentCorrelationsDisplay(correlations).plot),
    }


def _find_class(name, classes):
    """Class of that name, or the latent feature; on the command line every label is text."""
    if name is None or name.startswith("latent "):
        return name
    if not len(classes):
        raise ValueError(
            f"--target {name!r}: the model knows no classes; name a latent feature, such as "
            "'latent 0'."
        )
    matching = [label for label in classes.tolist() if str(label) == name]
    if not matching:
        raise ValueError(f"--target {name!r} is none of the classes {classes.tolist()}.")
    return matching[0]


def _choose_rows(model, table, n_cells, seed):
    """Rows at random, as evenly from each predicted class as there are cells; sorted by class.

    With them their predictions, None of an autoencoder, which predicts nothing.
    """
    predicts = hasattr(model, "predict")
    predicted = model.predict(table) if predicts else np.zeros(len(table), dtype=int)
    shuffled = pd.Series(predicted).sample(frac=1, random_state=seed)
    turn = shuffled.groupby(shuffled).cumcount()
    chosen = turn.sort_values(kind="stable").index[:n_cells]
    rows = np.array(sorted(chosen, key=lambda row: (str(predicted[row]), row)))
    return rows, predicted[rows] if predicts else None


def _save(path, draw):
    import matplotlib

    with matplotlib.rc_context({"backend": "agg"}):
        import matplotlib.pyplot as plt

        figure = draw().figure_
        figure.savefig(path, dpi=150, bbox_inches="tight")
        plt.close(figure)
