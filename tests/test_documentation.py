"""The documents keep their word: code on their pages runs, and docstrings leave nothing out."""

import contextlib
import doctest
import importlib
import importlib.util
import inspect
import io
import itertools
import pkgutil
import re
import textwrap
import tomllib
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator

import sklearn_cellfate

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("guide/*.rst"), DOCS / "validity.rst", DOCS / "contributing.rst"])
BLOCK = re.compile(r"^\.\. code-block:: (\w+)\n\n((?:   .*\n|\n)+)", re.MULTILINE)
# What is asked of every public docstring, in numpydoc's codes: it is there, its sections are known
# and in order, its summary is one sentence, each parameter is described under its own name with a
# type, and so is what is returned.
CHECKS = {
    *("GL03", "GL05", "GL06", "GL07", "GL08", "GL09", "SS01", "SS02", "SS03", "SS04"),
    *("PR01", "PR02", "PR03", "PR04", "PR05", "PR07", "PR10", "RT01", "YD01"),
}


def blocks(page):
    """Find the blocks of code of a page, as pairs of language and text."""
    text = page.read_text(encoding="utf-8")
    return [(language, textwrap.dedent(code)) for language, code in BLOCK.findall(text)]


def run(page):
    """Run the Python blocks in order; compare what one prints with the block "none" after it."""
    names, printed, compared = {}, "", 0
    for language, code in blocks(page):
        if language == "python":
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                exec(compile(code, str(page), "exec"), names)
            printed = said.getvalue()
        elif language == "none":
            flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            assert doctest.OutputChecker().check_output(code.strip() + "\n", printed, flags), (
                f"{page.name} shows\n{code}\nand this was printed:\n{printed}"
            )
            compared += 1
    return compared


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(language == "python" for language, _ in blocks(page))],
    ids=lambda page: page.stem,
)
@pytest.mark.filterwarnings("ignore")
def test_blocks_run_and_print_what_the_page_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if page.stem in PACKAGES:
        pytest.importorskip(PACKAGES[page.stem])
    run(page)


PACKAGES = {"explanation": "zennit", "deployment": "skops", "clusters": "distributed"}


def test_the_ten_lines_of_the_start_page_are_ten():
    (language, code), *_ = blocks(DOCS / "index.rst")
    assert language == "python"
    assert sum(bool(line) for line in code.splitlines()) == 10
    compile(code, "index.rst", "exec")


def test_a_page_that_shows_what_is_not_printed_is_caught(tmp_path):
    page = tmp_path / "page.rst"
    page.write_text(".. code-block:: python\n\n   print(1)\n\n.. code-block:: none\n\n   2\n\n")
    with pytest.raises(AssertionError, match="this was printed"):
        run(page)
    page.write_text(page.read_text().replace("   2", "   1"))
    assert run(page) == 1


def modules():
    """Names of the modules whose ``__all__`` is public."""
    folders = [info.name for info in pkgutil.iter_modules(sklearn_cellfate.__path__) if info.ispkg]
    return ["sklearn_cellfate", "sklearn_cellfate.patches"] + [
        f"sklearn_cellfate.{name}" for name in folders
    ]


def public_objects():
    """Full names of public functions, classes, and methods that this package defines."""
    for module_name in modules():
        module = importlib.import_module(module_name)
        for name in module.__all__:
            yield f"{module_name}.{name}"
            if inspect.isclass(getattr(module, name)):
                for method in public_methods(getattr(module, name)):
                    yield f"{module_name}.{name}.{method}"


def public_methods(cls):
    """Names of methods that are not inherited from scikit-learn, torch and the like."""
    for name in dir(cls):
        function = inspect.unwrap(inspect.getattr_static(cls, name))
        function = getattr(function, "__func__", getattr(function, "fn", function))
        ours = (getattr(function, "__module__", None) or "").startswith("sklearn_cellfate")
        if ours and not name.startswith("_") and inspect.isfunction(function):
            yield name


def test_every_public_docstring_documents_all_of_it():
    validate = pytest.importorskip("numpydoc.validate").validate
    faults = []
    for name in public_objects():
        found = validate(name)["errors"]
        faults += [f"{name}: {code} {text}" for code, text in found if code in CHECKS]
    assert not faults, "\n".join(faults)


def test_every_estimator_and_function_is_shown_at_work():
    """In its docstring, in the guide, or, of the command, on a page of its own."""
    shown = " ".join(page.read_text(encoding="utf-8") for page in PAGES)
    without = [name for name in public_objects() if _lacks_example(name, shown)]
    assert not without, f"neither docstring nor guide shows how to use {', '.join(without)}"


def _lacks_example(name, shown):
    module, _, attribute = name.rpartition(".")
    if module not in set(modules()) - {"sklearn_cellfate.cli", "sklearn_cellfate.torch_modules"}:
        return False
    obj = getattr(importlib.import_module(module), attribute)
    is_estimator = inspect.isclass(obj) and issubclass(obj, BaseEstimator)
    in_docstring = ">>>" in inspect.getdoc(obj)
    in_guide = re.search(rf"\b{attribute}\b", shown)
    return (is_estimator or inspect.isfunction(obj)) and not in_docstring and not in_guide


def test_the_reference_lists_every_public_module():
    listed = re.findall(r"^   (sklearn_cellfate\S*)$", _read("reference/index.rst"), re.MULTILINE)
    # The command has a page of its own.
    assert sorted(listed) == sorted(set(modules()) - {"sklearn_cellfate.cli"})


def test_the_page_of_the_command_shows_every_subcommand(capsys):
    from sklearn_cellfate.cli import main

    with pytest.raises(SystemExit):
        main(["--help"])
    commands = re.findall(r"^    (\w+)  ", capsys.readouterr().out, re.MULTILINE)
    assert len(commands) >= 5
    shown = re.findall(
        r"^\.\. command-help:: (\w+)$", _read("reference/command.rst"), re.MULTILINE
    )
    assert shown == commands


def test_the_guide_is_in_one_toctree_and_each_page_names_the_next():
    pages = re.findall(r"^   (\w+)$", _read("guide/index.rst"), re.MULTILINE)
    assert {f"{page}.rst" for page in pages} == {
        page.name for page in (DOCS / "guide").glob("*.rst") if page.name != "index.rst"
    }
    for page, following in itertools.pairwise(pages):
        assert f"Next: :doc:`{following}`." in _read(f"guide/{page}.rst")


def test_folders_do_not_import_in_circles():
    place = DOCS / "_extensions" / "architecture.py"
    spec = importlib.util.spec_from_file_location("architecture", place)
    architecture = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(architecture)
    order = architecture.layers(architecture.imports())
    assert order.index("table") < order.index("preprocessing") < order.index("model_selection")
    with pytest.raises(ValueError, match="in a circle: one, two"):
        architecture.layers({"one": {"two"}, "two": {"one"}})


def test_the_page_of_versions_names_every_lower_bound():
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    rows = re.findall(r"^   \* - (.*)\n     - (.*)$", _read("versions.rst"), re.MULTILINE)
    told = {}
    for names, bounds in rows[1:]:
        told |= dict(zip(names.split(", "), bounds.split(", ")))
    assert told == dict(each.split(">=") for each in dependencies)


def test_pages_need_no_network():
    """Formulas would ask for a script on another machine."""
    sources = [*DOCS.rglob("*.rst"), *(ROOT / "sklearn_cellfate").rglob("*.py")]
    assert not [path for path in sources if ":math:" in path.read_text(encoding="utf-8")]


def test_the_package_says_that_it_has_types():
    assert (ROOT / "sklearn_cellfate" / "py.typed").is_file()


@pytest.mark.parametrize("folder", ["table", "io", "metrics", "persistence", "utils"])
def test_functions_that_editors_are_asked_about_have_types(folder):
    module = importlib.import_module(f"sklearn_cellfate.{folder}")
    functions = [getattr(module, name) for name in module.__all__]
    for function in filter(inspect.isfunction, functions):
        signature = inspect.signature(function)
        annotated = [each.annotation for each in signature.parameters.values()]
        assert inspect.Signature.empty not in [*annotated, signature.return_annotation], function


def _read(page):
    return (DOCS / page).read_text(encoding="utf-8")
