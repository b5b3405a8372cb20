"""The figure of the architecture, drawn from the imports in the code itself.

``python docs/_extensions/architecture.py folder`` draws it alone: ``parts.svg``, and for phones
``parts-narrow.svg``, which says the names but not what they are for.
"""

import ast
import sys
from collections import defaultdict
from pathlib import Path
from xml.sax.saxutils import escape

PACKAGE = Path(__file__).parents[2] / "sklearn_cellfate"
FOUNDATION = ("table", "_validation")  # which nearly all the others use, so no lines to them
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito
ROW, BOX, LEFT, NAME_WIDTH, LANE, TOP, WIDTH = 36, 27, 8, 150, 15, 8, 920


def parts():
    """Name the folders and public files of the package, each with the first line about it.

    Returns
    -------
    parts : dict of str to str
    """
    found = [*PACKAGE.glob("*/__init__.py"), PACKAGE / "table.py", PACKAGE / "_validation.py"]
    found += [path for path in PACKAGE.glob("*.py") if not path.name.startswith("_")]
    return {_name(path): _first_line(path) for path in sorted(set(found))}


def imports():
    """Find which part imports which others, inside functions too.

    Returns
    -------
    imports : dict of str to set of str
    """
    known, found = parts(), defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        importer = _name(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for module in _modules(node):
                imported = (module.split(".") + ["table"])[1]  # the package itself gives its table
                if module.split(".")[0] == PACKAGE.name and imported != importer:
                    found[importer].add(imported)
    return {name: found[name] & set(known) for name in known}


def layers(graph):
    """Order parts so that each stands below all that it imports.

    Parameters
    ----------
    graph : dict of str to set of str

    Returns
    -------
    order : list of str

    Raises
    ------
    ValueError
        If parts import each other in a circle.
    """
    order, left = [], dict(graph)
    while left:
        ready = sorted(name for name, used in left.items() if used <= set(order))
        if not ready:
            raise ValueError(f"these parts import each other in a circle: {', '.join(left)}")
        order += ready
        left = {name: used for name, used in left.items() if name not in ready}
    return order


def figure(narrow=False):
    """Draw the parts as rows, and a line from each part to those that it imports.

    Parameters
    ----------
    narrow : bool, default=False
        Leave out what the parts are for.

    Returns
    -------
    svg : str
    """
    about, graph = parts(), imports()
    order = layers(graph)
    row = {name: TOP + ROW * number for number, name in enumerate(order)}
    lines, lanes = [], 0
    for name in order:
        used = sorted((other for other in graph[name] if other not in FOUNDATION), key=row.get)
        if used:
            lines.append(_lines_from(name, used, row, lanes))
            lanes += 1
    start = LEFT + NAME_WIDTH + LANE * (lanes + 1)
    boxes = [_box(name, "" if narrow else about[name], row[name], start) for name in order]
    width = start if narrow else WIDTH
    height = TOP + ROW * len(order)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="14">'
        f'<rect width="{width}" height="{height}" fill="white"/>{"".join(boxes + lines)}</svg>'
    )


def _lines_from(name, used, row, lane):
    """One lane for each importer: from its box up, with a dot beside each part that it imports."""
    colour, x = COLOURS[lane % len(COLOURS)], LEFT + NAME_WIDTH + LANE * (lane + 1)
    start, *ends = (row[part] + BOX / 2 for part in (name, *used))
    dots = "".join(f'<circle cx="{x}" cy="{y}" r="4.5"/>' for y in ends)
    return (
        f'<g stroke="{colour}" fill="{colour}"><title>{escape(name)} imports '
        f"{escape(', '.join(used))}</title>"
        f'<path d="M{LEFT + NAME_WIDTH} {start} H{x} V{min(ends)}" fill="none" '
        f'stroke-width="2"/>{dots}</g>'
    )


def _box(name, about, y, text_from):
    middle = y + BOX / 2
    return (
        f'<path d="M{LEFT + NAME_WIDTH} {middle} H{text_from - 8}" stroke="#ccc"/>'
        f'<rect x="{LEFT}" y="{y}" width="{NAME_WIDTH}" height="{BOX}" rx="4" '
        f'fill="#eef3f7" stroke="#555"/><text x="{LEFT + 8}" y="{middle + 5}" fill="#111">'
        f'{escape(name)}</text><text x="{text_from}" y="{middle + 5}" fill="#333" font-size="13">'
        f"{escape(about)}</text>"
    )


def _name(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _first_line(path):
    line = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).splitlines()[0]
    return line.replace("``", "")


def _modules(node):
    if isinstance(node, ast.ImportFrom):
        return [node.module]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def write_figures(folder):
    """Write both forms of the figure, if they are not there yet just so.

    Parameters
    ----------
    folder : Path
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, narrow in (("parts.svg", False), ("parts-narrow.svg", True)):
        path, drawn = folder / name, figure(narrow)
        if not path.exists() or path.read_text(encoding="utf-8") != drawn:
            path.write_text(drawn, encoding="utf-8")


def setup(app):
    """Draw them before Sphinx looks for them."""
    app.connect("builder-inited", lambda app: write_figures(Path(app.srcdir) / "generated"))
    return {"parallel_read_safe": True}


if __name__ == "__main__":
    write_figures(Path(sys.argv[1]))
