"""Run the tests with the oldest, or with the newest, releases that pyproject.toml allows.

    python .ci/versions.py oldest
    python .ci/versions.py newest --environment /tmp/newest -m "not slow" tests/test_table.py

It makes a fresh virtual environment of the Python that runs it, or takes up the one that an
earlier call left in ``--environment``. All other arguments go to pytest. "oldest" pins each
dependency, of the extras too, to the lower bound that pyproject.toml declares, so every bound
must be a release. What these need in turn comes as pip chooses it.
"""

import argparse
import itertools
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def lower_bounds(project):
    """Yield "name==version" for each "name>=version" of the package and its extras."""
    extras = project["optional-dependencies"].values()
    for requirement in itertools.chain(project["dependencies"], *extras):
        bound = re.fullmatch(r"([\w.-]+)>=([\w.]+)", requirement)
        if bound:
            yield f"{bound[1]}=={bound[2]}"
        elif not requirement.startswith(project["name"]):
            raise SystemExit(f"expected 'name>=version' in pyproject.toml, got {requirement!r}")


def make_environment(folder, which):
    """Make a virtual environment with the tests' dependencies; give its Python."""
    venv.create(folder, with_pip=True, clear=True)
    python = folder / "bin" / "python"
    install = [python, "-m", "pip", "install", "-e", f"{ROOT}[test]"]
    if which == "oldest":
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        pins = folder / "oldest.txt"
        pins.write_text("\n".join(dict.fromkeys(lower_bounds(project))) + "\n")
        install += ["--constraint", pins]
    subprocess.run(install, check=True)
    return python


def main():
    """Make or take up the environment, list its packages, run the tests."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("which", choices=["oldest", "newest"])
    parser.add_argument("--environment", type=Path, help="folder that keeps the environment")
    options, pytest_arguments = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.environment or Path(temporary) / "environment"
        python = folder / "bin" / "python"
        if not python.exists():
            python = make_environment(folder, options.which)
        subprocess.run([python, "-m", "pip", "freeze", "--exclude-editable"], check=True)
        tests = [python, "-m", "pytest", *pytest_arguments]
        sys.exit(subprocess.run(tests, cwd=ROOT).returncode)


if __name__ == "__main__":
    main()
