"""
Published and obtained, side by side
====================================

What the scripts ``reproduce_...`` share: their table, their figures and their command line.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

COLUMNS = ["figure", "published", "obtained", "data"]


class ReproductionTable:
    """Rows of published and obtained figures, in parts; each part says what differs.

    Parameters
    ----------
    data : str
        What the obtained figures are of.
    """

    def __init__(self, data="simulated data"):
        self.data = data
        self.rows = []
        self.differs = {}

    def begin(self, part, differs):
        """Start a part of the table, and say what differs from the study in it."""
        self.differs[part] = differs
        print(f"{time.strftime('%X')} {part} ...", flush=True)

    def add(self, figure, published, obtained):
        """Add a row to the part that was started last; obtained is None if it was not run."""
        part = list(self.differs)[-1]
        self.rows.append(
            {
                "part": part,
                "figure": figure,
                "published": published,
                "obtained": "not run" if obtained is None else obtained,
                "data": "none" if obtained is None else self.data,
                "differs": self.differs[part],
            }
        )

    def to_frame(self):
        """Return all rows: part, figure, published, obtained, data, differs."""
        return pd.DataFrame(self.rows)

    def to_markdown(self):
        """Write the parts one below the other."""
        return "\n\n".join(
            f"### {part}\n\nWhat differs: {self.differs[part]}\n\n{_pipes(rows[COLUMNS])}"
            for part, rows in self.to_frame().groupby("part", sort=False)
        )


def _pipes(rows):
    cells = [rows.columns, ["---"] * len(rows.columns), *rows.to_numpy()]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in cells)


def with_interval(row):
    """Mean and 95 % interval of a row of a summary, in words."""
    return f"{row['mean']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"


def over_groups(values):
    """Mean over folds, clones ... that count once each, with its 95 % interval (Student's t)."""
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    low, high = np.nan, np.nan
    if len(values) > 1:
        low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    return {"mean": values.mean() if len(values) else np.nan, "low": low, "high": high}


def over_two_groups(first, second):
    """Difference of two means over clones ... with its 95 % interval (Welch's t)."""
    test = stats.ttest_ind(first, second, equal_var=False)
    low, high = test.confidence_interval(0.95)
    return {"mean": np.mean(first) - np.mean(second), "low": low, "high": high}


def save_figure(display, folder, name):
    """Write the figure of a display to a folder, and close it."""
    import matplotlib.pyplot as plt

    display.figure_.savefig(folder / f"{name}.png", dpi=120)
    plt.close(display.figure_)


def run_from_command_line(reproduce, short, full, folder):
    """Read the options, run the study, print its table and write it beside the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true", help="the published sizes")
    parser.add_argument("-o", "--output", default=folder, help="folder for table and figures")
    options = parser.parse_args()
    output = Path(options.output)
    output.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    table = reproduce(full if options.full else short, output)
    table.to_frame().to_csv(output / "table.csv", index=False)
    (output / "table.md").write_text(table.to_markdown() + "\n")
    minutes = (time.perf_counter() - started) / 60
    print(f"\n{table.to_markdown()}\n\n{minutes:.1f} minutes; figures are in {output}/")
