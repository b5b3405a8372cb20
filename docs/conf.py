"""How Sphinx builds these pages: ``make html`` in this folder, without any network."""

import os
import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS), str(DOCS / "_extensions"), str(DOCS.parent)]
# One thread for each library: small networks lose more than they gain from several.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from sklearn_cellfate import __version__  # noqa: E402

project = "sklearn_cellfate"
author = "The sklearn_cellfate developers"
project_copyright = author
version = release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "architecture",
    "command_help",
    "public_members",
]
root_doc = "index"
templates_path = ["_templates"]
exclude_patterns = ["_build", "gallery/GALLERY_HEADER.rst"]
default_role = None
language = "en_GB"

# The reference lists what each folder's __all__ lists, so it cannot fall behind.
autosummary_generate = True
autosummary_imported_members = True
autosummary_ignore_module_all = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
numpydoc_xref_param_type = False

extlinks = {
    "doi": ("https://doi.org/%s", "doi:%s"),
    "arxiv": ("https://arxiv.org/abs/%s", "arXiv:%s"),
}
extlinks_detect_hardcoded_links = False

# `make html` runs the examples; `-D plot_gallery=0` (make quick, CI) shows their text alone.
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"^(?!plot_)",
    "plot_gallery": "True",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,
    "remove_config_comments": True,
    "within_subsection_order": "FileNameSortKey",
    "capture_repr": ("_repr_html_",),
}

html_theme = "pydata_sphinx_theme"
html_title = "sklearn_cellfate"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_copy_source = False
html_show_sourcelink = False
html_sidebars = {
    page: [] for page in "index validity neighbours hostile_input versions contributing".split()
}
html_theme_options = {
    "navbar_align": "left",
    "navbar_persistent": ["search-button"],
    "show_toc_level": 1,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "default",
    "pygments_dark_style": "monokai",
}

# Docstrings inherited from scikit-learn refer to its glossary.
suppress_warnings = ["ref.term"]
