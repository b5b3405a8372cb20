"""
From the microscope's files to a cell table
===========================================

A movie, its label images and its tracks become a table with one row a cell: the cell's own movie,
cut out and masked, what was measured on the way, quality flags, and the cell's fate. The files
here are simulated in a temporary folder; yours are read by the same lines.

Of one field of view, the command does all of this at once:

.. code-block:: bash

    sklearn-cellfate extract movie.ome.tif tracks.xml --labels labels.tif -o cells.parquet
"""

# %%
# The files
# ---------
# Two fields of view, each with an OME-TIFF of two channels, label images, and tracks as TrackMate
# saves them, in micrometres.

import tempfile
import warnings
from pathlib import Path

import pandas as pd

from sklearn_cellfate.datasets import make_time_lapse
from sklearn_cellfate.inspection import plot_cells
from sklearn_cellfate.io import extract_cells, label_fates, read_labels, read_stack, read_tracks
from sklearn_cellfate.quality import flag_all, summarize_quality

folder = tempfile.TemporaryDirectory()
paths = make_time_lapse(folder.name, random_state=0).paths.set_index("field")
for path in paths.loc["field_1"]:
    print(Path(path).name)

# %%
# Reading
# -------
# A stack is opened, not read: frames come when they are needed. TrackMate's file says how large a
# pixel is, so positions come in pixels. It also holds debris that belongs to no track, of which
# the reader warns.

stacks = {field: read_stack(path) for field, path in paths["stack"].items()}
labels = {field: read_labels(path) for field, path in paths["labels"].items()}
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    tracks = {field: read_tracks(path) for field, path in paths["tracks_xml"].items()}
print(stacks["field_1"])
tracks["field_1"][["cell", "frame", "x", "y", "parent"]].head()

# %%
# One call
# --------
# Every cell is cut out at every frame it was seen in, 28 x 28 pixels around its position. Pixels
# outside its own label are 0: a neighbour in the crop is not the cell. Columns such as ``area``
# have a value a frame.

cells = extract_cells(stacks, tracks, labels, size=28)
cells[["cell", "field", "parent", "frame", "area", "touching"]].head()

# %%
# Fates
# -----
# *censored* says that the cell was last seen alive; what became of it then is not known.

fates = pd.concat(
    [label_fates(of_field).assign(field=field) for field, of_field in tracks.items()]
)
cells = cells.merge(fates, on=["field", "cell"], validate="one_to_one")
cells["fate"].value_counts()

# %%
# Quality
# -------
# Flags are columns, and nothing is dropped unless you say so. ``remaining`` counts the cells that
# are left if those with this flag, and with the flags above it, are left out.

cells = flag_all(cells, min_frames=5)
summarize_quality(cells)

# %%
# Looking
# -------
# Are the cells centred, whole and alone? Those without a flag, CFP and YFP, in their first frame
# and their last:

clean = cells[~cells.filter(like="flag_").any(axis=1)]
plot_cells(clean, times=(0, 1), labels=["cell", "fate"], mark_centre=True, max_cells=12)

# %%
# And those that touch others, share a label with them or jump in size:

plot_cells(cells[cells["flag_merged"]], times=(0, 0.5, 1), channels=0)
folder.cleanup()
