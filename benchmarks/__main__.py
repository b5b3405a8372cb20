"""Run the benchmarks and write their tables and plots into ``RESULTS.md``.

    python -m benchmarks                   # all bench_*.py
    python -m benchmarks fit preprocessing # some of them

Each file has a place of its own in ``RESULTS.md``, between two comments; what is written by hand
around them stays. Run it on a machine that does nothing else. Benchmarks that need a GPU are
skipped where torch finds none, and the run says which and why.
"""

import argparse
import datetime
import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
RESULTS, PLOTS = HERE / "RESULTS.md", HERE / "plots"
FILES = {path.stem.removeprefix("bench_"): path for path in sorted(HERE.glob("bench_*.py"))}
# What is no column of its own.
OTHERWISE = {"baseline", "x", "series", "device", "torch"}


def main():
    """Run what is named on the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FILES))
    names = parser.parse_args().names or list(FILES)
    unknown = [name for name in names if name not in FILES]
    if unknown:
        parser.error(f"there is no {unknown[0]!r}; choose from {', '.join(FILES)}")
    failed = [name for name in names if not run(name)]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def run(name):
    """Run one file and write what it measured; return whether all of it passed."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [sys.executable, "-m", "pytest", "-q", "-rs", FILES[name]]
        passed = subprocess.run([*command, f"--benchmark-json={report}"]).returncode == 0
        measured = json.loads(report.read_text()) if report.exists() else None
    if measured and measured["benchmarks"]:
        text = RESULTS.read_text()
        RESULTS.write_text(put_section(text, name, format_section(name, measured)))
    return passed


def put_section(text, name, section):
    """Put a section in its place, or at the end if it has none."""
    begin, end = (
        f"<!-- {name}: {place}, by python -m benchmarks -->" for place in ("begin", "end")
    )
    section = f"{begin}\n{section}\n{end}"
    place = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if place.search(text):
        return place.sub(lambda _: section, text)
    return f"{text.rstrip()}\n\n{section}\n"


def format_section(name, measured):
    """Heading, machine, and a table for each group, with plots of those that have an axis."""
    machine = measured["machine_info"]
    versions = ", ".join(f"{what} {which}" for what, which in machine["versions"].items())
    lines = [
        f"### `bench_{name}.py`",
        "",
        f"    python -m benchmarks {name}",
        "",
        f"{datetime.date.today()}, {machine['device']}, {machine['threads']} thread(s), "
        f'{versions}. Medians; "ratio" is the time of the baseline over that of the row.',
    ]
    groups = defaultdict(list)
    for benchmark in measured["benchmarks"]:
        groups[benchmark["group"]].append(benchmark)
    for group, members in groups.items():
        lines += ["", f"**{group}**", "", *format_table(members)]
        if all("x" in member["extra_info"] for member in members):
            lines += ["", f"![{group}](plots/{plot(group, members)})"]
    return "\n".join(lines)


def format_table(members):
    """Rows of Markdown, one a benchmark."""
    found = dict.fromkeys(name for member in members for name in member["extra_info"])
    columns = [name for name in found if name not in OTHERWISE]
    baseline = {
        member["extra_info"].get("x"): seconds(member)
        for member in members
        if member["extra_info"].get("baseline")
    }
    head = [
        "",
        "ms",
        *(["ratio"] if baseline else []),
        *(name.replace("_", " ") for name in columns),
    ]
    rows = [head, ["---"] * len(head)]
    for member in members:
        extra = member["extra_info"]
        row = [label(member), number(1e3 * seconds(member))]
        if baseline:
            row.append(
                "1"
                if extra.get("baseline")
                else number(baseline[extra.get("x")] / seconds(member))
            )
        rows.append(row + [number(extra.get(name)) for name in columns])
    return [f"| {' | '.join(row)} |" for row in rows]


def seconds(benchmark):
    """Median time."""
    return benchmark["stats"]["median"]


def label(benchmark):
    """Name of a row: what it was parametrised with."""
    parts = re.search(r"\[(.*)\]$", benchmark["name"])
    label = parts[1] if parts else benchmark["name"].removeprefix("test_").replace("_", " ")
    return f"{label} (baseline)" if benchmark["extra_info"].get("baseline") else label


def number(value):
    """Three digits, and no exponent."""
    if value is None:
        return ""
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def plot(group, members):
    """Draw seconds against the axis, both logarithmic; return the file's name."""
    matplotlib.rcParams["svg.hashsalt"] = "benchmarks"  # the same file for the same figures
    figure, axes = plt.subplots(figsize=(4.5, 3), layout="constrained")
    series = defaultdict(list)
    for member in members:
        series[member["extra_info"].get("series", "")].append(member)
    for name, of_series in series.items():
        places = [member["extra_info"]["x"] for member in of_series]
        axes.loglog(places, [seconds(member) for member in of_series], "o-", label=name)
    axes.set(xlabel=group, ylabel="seconds")
    places = sorted({member["extra_info"]["x"] for member in members})
    axes.set_xticks(places, [f"{place:,}" for place in places])
    axes.set_xticks([], minor=True)
    if len(series) > 1:
        axes.legend()
    PLOTS.mkdir(exist_ok=True)
    file = re.sub(r"[^a-z0-9]+", "_", group.lower()).strip("_") + ".svg"
    figure.savefig(PLOTS / file, metadata={"Date": None})
    plt.close(figure)
    return file


if __name__ == "__main__":
    main()
