"""Show of a class what this package defines, not what it inherits from scikit-learn or torch."""

import inspect


def setup(app):
    """Connect to autodoc."""
    app.connect("autodoc-skip-member", _skip_foreign)
    return {"parallel_read_safe": True}


def _skip_foreign(app, what, name, obj, skip, options):
    function = inspect.unwrap(getattr(obj, "__func__", obj))
    module = getattr(function, "__module__", None)
    if callable(obj) and module is not None and not module.startswith("sklearn_cellfate"):
        return True
    return None
