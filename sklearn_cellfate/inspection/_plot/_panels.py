"""Where displays draw: new axes, or those that are there already."""

__all__ = ["panel_grid", "single_axes"]


def single_axes(ax, figsize):
    """Return `ax`, or where it is None the axes of a new figure.

    Parameters
    ----------
    ax : matplotlib Axes or None
        Where to draw.
    figsize : tuple of (float, float)
        Width and height in inches of a new figure.

    Returns
    -------
    ax : matplotlib Axes
    """
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=figsize, layout="constrained")[1]


def panel_grid(ax, n_rows, n_columns, figsize, **grid):
    """Return the axes of a grid of panels, in a new figure or where `ax` was.

    Parameters
    ----------
    ax : matplotlib Axes or None
        Made by ``subplots``; it is switched off and its place divided.
    n_rows, n_columns : int
        How many panels.
    figsize : tuple of (float, float)
        Width and height in inches of a new figure.
    **grid
        Of matplotlib's ``GridSpec``, such as ``width_ratios``.

    Returns
    -------
    axes : ndarray of Axes of shape (n_rows, n_columns)
    """
    import matplotlib.pyplot as plt

    if ax is None:
        figure = plt.figure(figsize=figsize, layout="constrained")
        return figure.add_gridspec(n_rows, n_columns, **grid).subplots(squeeze=False)
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError("ax has no place in a grid of subplots that could be divided.")
    ax.set_axis_off()
    return place.subgridspec(n_rows, n_columns, **grid).subplots(squeeze=False)
