"""TrackMate's files of tracks: its XML, the tracks-only XML, and its table of spots."""

from xml.parsers import expat

import numpy as np
import pandas as pd

from sklearn_cellfate.io._branches import cut_into_branches
from sklearn_cellfate.io._tidy_tracks import RawTracks, refuse_empty
from sklearn_cellfate.table import listing

READ_THE_XML = (
    "a division or a merge that this file cannot resolve; read TrackMate's own XML (its Save "
    "button), which has the links"
)
OURS = {"FRAME": "frame", "POSITION_X": "x", "POSITION_Y": "y"}
SPOT_TEXT = ("name",)


def read_trackmate_xml(path, where, *, visible_only, merges):
    """Read a file of TrackMate's, either the whole model or the tracks alone."""
    document = _Document(where)
    with open(path, "rb") as file:
        document.read(file)
    if document.root == "Tracks":
        return _simple_tracks(document)
    return _model(document, visible_only, merges)


def is_trackmate_table(names):
    """Whether these are the columns of TrackMate's tables."""
    return {"POSITION_X", "POSITION_Y", "FRAME"} <= set(names)


def refuse_other_tables(names, where):
    """TrackMate writes three tables; say so if this is one of the two without positions."""
    if "SPOT_SOURCE_ID" in names or {"TRACK_ID", "NUMBER_SPOTS"} <= set(names):
        kind = "links" if "SPOT_SOURCE_ID" in names else "tracks"
        raise ValueError(
            f"{where} is TrackMate's table of {kind}, which has no positions; export the table "
            "of spots, or read TrackMate's XML."
        )


def spots_of_table(table, units, where, *, visible_only):
    """Turn TrackMate's table of spots into tracks.

    `units` is the row of units below the names of the columns, or None.
    """
    if "TRACK_ID" not in table.columns:
        raise ValueError(
            f"{where} has no column TRACK_ID, so its spots belong to no track; export the spots "
            "of tracks, or read TrackMate's XML."
        )
    notes = []
    linked = table["TRACK_ID"].notna()
    _note_unlinked(notes, (~linked).sum(), len(table))
    if visible_only and "TRACK_VISIBLE" in table.columns:
        hidden = linked & (table["TRACK_VISIBLE"] == 0)
        _note_hidden(notes, table.loc[hidden, "TRACK_ID"].nunique())
        linked &= ~hidden
    if len(table) and not linked.any():
        raise ValueError(f"{where}: {'; '.join(notes)}; nothing remains.")
    table = table[linked].rename(columns={"TRACK_ID": "cell", **OURS})
    return RawTracks(
        where,
        table,
        unit="" if units is None else _unit_of_positions(units, where),
        notes=notes,
        if_duplicated=READ_THE_XML,
    )


def _unit_of_positions(units, where):
    unit_x, unit_y = units["POSITION_X"], units["POSITION_Y"]
    if unit_x != unit_y:
        raise ValueError(f"{where} gives x in {unit_x!r} and y in {unit_y!r}; expected one unit.")
    return unit_x


def _note_unlinked(notes, n_free, n_spots):
    if n_free:
        notes.append(f"{n_free} of {n_spots} spots belong to no track and are left out")


def _note_hidden(notes, n_tracks):
    if n_tracks:
        notes.append(
            f"{n_tracks} tracks that TrackMate's filters hide are left out "
            "(visible_only=False reads them)"
        )


def _simple_tracks(document):
    """Tracks without links and without numbers: they are numbered as they come."""
    table = document.spots.table()
    refuse_empty(table, document.where)
    _require(table, ["t", "x", "y"], "detection", document.where)
    table = table.rename(columns={"t": "frame"}).assign(cell=np.array(document.spot_track))
    unit = document.model.get("spaceUnits", document.model.get("spaceUnit", ""))
    return RawTracks(document.where, table, unit=unit, if_duplicated=READ_THE_XML)


def _model(document, visible_only, merges):
    """Tracks as links between spots."""
    where, notes = document.where, []
    spots = document.spots.table(document.integer_features)
    refuse_empty(spots, where)
    _require(spots, ["ID", *OURS], "Spot", where)
    ids = pd.Index(_whole(spots["ID"], "the ID of a Spot", where))
    if not ids.is_unique:
        raise ValueError(f"{where}: spot {ids[ids.duplicated()][0]} is there twice.")
    links = _links(document, ids)
    next_number = int(links["track"].max()) + 1 if len(links) else 0
    n_free = len(spots) - len(np.union1d(links["source"], links["target"]))
    _note_unlinked(notes, n_free, len(spots))
    if visible_only and document.visible_tracks is not None:
        shown = pd.Series(document.visible_tracks, dtype="object")
        visible = links["track"].isin(_whole(shown, "the TRACK_ID of a TrackID", where))
        _note_hidden(notes, links.loc[~visible, "track"].nunique())
        links = links[visible]
    if not len(links):
        raise ValueError(f"{where}: {'; '.join(notes)}; nothing remains.")

    track = np.full(len(spots), -1)
    for end in ("source", "target"):
        track[links[end]] = links["track"]
    kept = np.flatnonzero(track >= 0)
    row = np.full(len(spots), -1)
    row[kept] = np.arange(len(kept))
    spots, track = spots.iloc[kept].reset_index(drop=True), track[kept]
    frame = _whole(spots["FRAME"], "the FRAME of a Spot", where).to_numpy()
    branches = cut_into_branches(
        ids.to_numpy()[kept],
        frame,
        track,
        row[links["source"]],
        row[links["target"]],
        next_number=next_number,
        merges=merges,
        where=where,
    )
    if branches.n_merges:
        notes.append(
            f"{branches.n_merges} merges are cut: the cells before them end, what follows is a "
            "new cell without parent, True in column 'after_merge' (merges='raise' refuses such "
            "files)"
        )
    table = spots.rename(columns=OURS).assign(
        cell=branches.cell,
        parent=pd.Series(branches.parent, dtype="Int64").mask(branches.parent < 0),
        track=track,
        after_merge=branches.merged,
    )
    pixel_size, bad_pixel_size = _pixel_size(document.image)
    return RawTracks(
        where,
        table,
        unit=document.model.get("spatialunits", ""),
        pixel_size=pixel_size,
        bad_pixel_size=bad_pixel_size,
        notes=notes,
    )


def _links(document, ids):
    """Return a table of the links: their track, and the rows of their two spots."""
    where = document.where
    links = pd.DataFrame(document.links, columns=["track", "source", "target"])
    links = links.apply(lambda column: _whole(column, f"the {column.name} of an Edge", where))
    for end in ("source", "target"):
        rows = ids.get_indexer(links[end])
        if (rows < 0).any():
            spot = links[end].iloc[int(np.argmax(rows < 0))]
            raise ValueError(f"{where}: an Edge names spot {spot}, which is not among the spots.")
        links[end] = rows
    return links


def _pixel_size(image):
    """Width and height of a pixel in the file's unit, and what is wrong with them; or None."""
    if "pixelwidth" not in image:
        return None, None
    width = image["pixelwidth"]
    sides = []
    for name, text in (("pixelwidth", width), ("pixelheight", image.get("pixelheight", width))):
        side = pd.to_numeric(text, errors="coerce")
        if not (np.isfinite(side) and side > 0):
            return None, f"{name} is {text!r}, expected a size greater than 0"
        sides.append(float(side))
    return tuple(sides), None


def _require(table, names, element, where):
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise ValueError(
            f"{where}: no {element} has {listing(missing)}; there are {listing(table.columns)}."
        )


def _whole(values, what, where):
    numbers = pd.to_numeric(values, errors="coerce").astype(np.float64)
    whole = np.isfinite(numbers) & (numbers == np.floor(numbers))
    if not whole.all():
        bad = values.iloc[int(np.argmin(whole))]
        raise ValueError(f"{where}: {what} is {listing([bad])}; expected a whole number.")
    return numbers.astype(np.int64)


class _Columns:
    """Attributes of many elements, gathered a column each."""

    def __init__(self):
        self.texts = {}
        self.n_rows = 0

    def add(self, attributes):
        for name, text in attributes.items():
            column = self.texts.setdefault(name, [])
            column.extend([None] * (self.n_rows - len(column)))
            column.append(text)
        self.n_rows += 1

    def table(self, integer=()):
        """Return a data frame; the columns of text are given up one by one."""
        columns = {}
        for name in list(self.texts):
            texts = self.texts.pop(name)
            texts.extend([None] * (self.n_rows - len(texts)))
            columns[name] = _typed(texts, name, integer)
        return pd.DataFrame(columns)


def _typed(texts, name, integer):
    if name in SPOT_TEXT:
        return pd.Series(texts, dtype="str")
    try:  # by float() itself, which reads Java's NaN and Infinity; pandas refuses the first
        numbers = np.array([np.nan if text is None else float(text) for text in texts])
    except ValueError:
        return pd.Series(texts, dtype="str")
    if name in integer and np.isfinite(numbers).all() and (numbers == np.floor(numbers)).all():
        return numbers.astype(np.int64)
    return numbers


class _Document:
    """What is of use in an XML file, gathered while it streams by.

    Only attributes count, so that nothing of the text (the log, the outlines of the spots) is
    kept. A file with a document type is refused: TrackMate writes none, and its entities can
    blow up a small file to gigabytes.
    """

    def __init__(self, where):
        self.where = where
        self.root = None
        self.model, self.image = {}, {}
        self.spots = _Columns()
        self.spot_track = []
        self.integer_features = {"ID", "ROI_N_POINTS"}
        self.links = []
        self.visible_tracks = None
        self._frame, self._track, self._n_particles = None, None, 0

    def read(self, file):
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.StartDoctypeDeclHandler = self._refuse_document_type
        try:
            parser.ParseFile(file)
        except (expat.ExpatError, LookupError) as error:  # of an encoding that there is not
            raise ValueError(
                f"{self.where} is not well-formed XML ({error}); is the file complete?"
            ) from error

    def _refuse_document_type(self, *declaration):
        raise ValueError(f"{self.where} declares a document type (DTD), which is not read.")

    def _start(self, element, attributes):
        if self.root is None:
            self._open(element, attributes)
        handler = self._handlers.get(element)
        if handler is not None:
            handler(self, attributes)

    def _open(self, element, attributes):
        if element not in ("TrackMate", "Tracks"):
            raise ValueError(
                f"{self.where} is XML of another program, with root <{element}>; expected "
                "<TrackMate> or <Tracks>."
            )
        self.root = element
        if element == "Tracks":
            self.model = attributes

    def _on_model(self, attributes):
        self.model = attributes

    def _on_image(self, attributes):
        self.image = attributes

    def _on_feature(self, attributes):
        if attributes.get("isint") == "true":
            self.integer_features.add(attributes.get("feature"))

    def _on_frame(self, attributes):
        self._frame = attributes.get("frame")

    def _on_spot(self, attributes):
        if "FRAME" not in attributes and self._frame is not None:
            attributes["FRAME"] = self._frame
        self.spots.add(attributes)

    def _on_track(self, attributes):
        self._track = attributes.get("TRACK_ID")

    def _on_edge(self, attributes):
        ends = attributes.get("SPOT_SOURCE_ID"), attributes.get("SPOT_TARGET_ID")
        self.links.append((self._track, *ends))

    def _on_visible_tracks(self, attributes):
        self.visible_tracks = []

    def _on_visible_track(self, attributes):
        if self.visible_tracks is None:
            raise ValueError(f"{self.where} has a TrackID before its FilteredTracks.")
        self.visible_tracks.append(attributes.get("TRACK_ID"))

    def _on_particle(self, attributes):
        self._n_particles += 1

    def _on_detection(self, attributes):
        self.spots.add(attributes)
        self.spot_track.append(self._n_particles - 1)

    _handlers = {
        "Model": _on_model,
        "ImageData": _on_image,
        "Feature": _on_feature,
        "SpotsInFrame": _on_frame,
        "Spot": _on_spot,
        "Track": _on_track,
        "Edge": _on_edge,
        "FilteredTracks": _on_visible_tracks,
        "TrackID": _on_visible_track,
        "particle": _on_particle,
        "detection": _on_detection,
    }
