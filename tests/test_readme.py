"""The README keeps its word: what it says to paste runs as it stands."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from sklearn_cellfate.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
SHELL = re.findall(r"^```bash\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
FEWER_CELLS = ("n_cells=300", "n_cells=60")


@pytest.mark.slow
def test_the_ten_lines_run(capsys):
    assert sum(bool(line) for line in PYTHON[0].splitlines()) == 10
    assert FEWER_CELLS[0] in PYTHON[0]
    exec(compile(PYTHON[0].replace(*FEWER_CELLS), "README.md", "exec"), {})
    printed = capsys.readouterr().out
    for name in ("features", "images", "images + features", "pixels", "95 % interval"):
        assert name in printed


@pytest.mark.slow
def test_the_other_blocks_run_one_after_the_other(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in PYTHON[1:]:
        exec(compile(block, "README.md", "exec"), names)
    (extract,) = _commands("movies.parquet")
    assert main(extract) == 0
    evaluate, explain, predict = _commands("my_cells.parquet", "new_cells.parquet")
    assert main([*evaluate, "--jobs", "1"]) == 0
    assert main(predict) == 0
    assert "90 cells" in capsys.readouterr().out
    assert (tmp_path / "predictions.csv").is_file()
    assert np.isfinite(names["early"].first["time"]).all()
    assert main(explain) == 0
    assert (tmp_path / "why").is_dir()
    (report,) = _commands("report.html")
    assert main(report) == 0
    assert (tmp_path / "report.html").is_file()


def _commands(*names):
    """Arguments of the README's commands on these files."""
    lines = [line for block in SHELL for line in block.splitlines()]
    start = "python -m sklearn_cellfate "
    found = [line for name in names for line in lines if name in line]
    assert all(line.startswith(start) for line in found)
    return [shlex.split(line.removeprefix(start)) for line in found]


def test_ci_runs_the_commands_of_the_readme():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    one_line = {block.strip() for block in SHELL if block.count("\n") == 1}
    for name in ("test_command", "main_command"):
        assert re.search(rf"^{name}='(.*)'$", script, re.MULTILINE)[1] in one_line


def test_linked_files_exist():
    linked = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert "docs/overview.png" in linked
    assert not [name for name in linked if not (ROOT / name).exists()]
