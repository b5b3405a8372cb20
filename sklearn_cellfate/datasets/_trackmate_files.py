"""Spots and tracks as TrackMate 7 writes them: its table of spots and its own XML."""

import xml.etree.ElementTree as ElementTree

import pandas as pd

# Column, its long and its short name, its unit: TrackMate's four header lines.
SPOT_FEATURES = [
    ("LABEL", "Label", "Label", ""),
    ("ID", "Spot ID", "Spot ID", ""),
    ("TRACK_ID", "Track ID", "Track ID", ""),
    ("QUALITY", "Quality", "Quality", "(quality)"),
    ("POSITION_X", "X", "X", "(micron)"),
    ("POSITION_Y", "Y", "Y", "(micron)"),
    ("POSITION_Z", "Z", "Z", "(micron)"),
    ("POSITION_T", "T", "T", "(sec)"),
    ("FRAME", "Frame", "Frame", ""),
    ("RADIUS", "Radius", "R", "(micron)"),
    ("VISIBILITY", "Visibility", "Visibility", ""),
    ("MEAN_INTENSITY_CH1", "Mean intensity ch1", "Mean ch1", "(counts)"),
    ("MEAN_INTENSITY_CH2", "Mean intensity ch2", "Mean ch2", "(counts)"),
    ("AREA", "Area", "Area", "(micron^2)"),
]
WHOLE = {"ID", "FRAME", "VISIBILITY"}


def write_spot_table(path, spots):
    """Write TrackMate's CSV of all spots; those of no track have an empty TRACK_ID.

    Parameters
    ----------
    path : path-like
    spots : DataFrame
        The columns of `SPOT_FEATURES`; TRACK_ID may be missing.
    """
    columns, *headers = zip(*SPOT_FEATURES)
    headers = pd.DataFrame(headers, columns=columns)
    rows = spots[list(columns)].astype(object).where(spots[list(columns)].notna(), "")
    pd.concat([headers, rows]).to_csv(path, index=False, lineterminator="\n")


def write_model(path, spots, links, image):
    """Write TrackMate's XML.

    Parameters
    ----------
    path : path-like
    spots : DataFrame
        The columns of `SPOT_FEATURES`, sorted by FRAME.
    links : DataFrame
        ``track``, ``source`` and ``target``: number of the track, and the IDs of two spots.
    image : dict of str to object
        Attributes of ImageData: filename, width, height, nframes, pixelwidth, ...
    """
    root = ElementTree.Element("TrackMate", version="7.13.2")
    model = ElementTree.SubElement(root, "Model", spatialunits="micron", timeunits="sec")
    _declare_features(model)
    _add_spots(model, spots)
    _add_tracks(model, links)
    settings = ElementTree.SubElement(root, "Settings")
    ElementTree.SubElement(settings, "ImageData", {key: str(image[key]) for key in image})
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(path, encoding="UTF-8", xml_declaration=True)


def _declare_features(model):
    declarations = ElementTree.SubElement(model, "FeatureDeclarations")
    features = ElementTree.SubElement(declarations, "SpotFeatures")
    for name, long, short, _ in SPOT_FEATURES:
        if name not in ("LABEL", "ID", "TRACK_ID"):
            whole = "true" if name in WHOLE else "false"
            ElementTree.SubElement(
                features, "Feature", feature=name, name=long, shortname=short, isint=whole
            )


def _add_spots(model, spots):
    everything = ElementTree.SubElement(model, "AllSpots", nspots=str(len(spots)))
    attributes = spots.drop(columns=["LABEL", "TRACK_ID"]).astype(str)
    attributes.insert(1, "name", spots["LABEL"])
    for frame, of_frame in attributes.groupby(spots["FRAME"], sort=True):
        element = ElementTree.SubElement(everything, "SpotsInFrame", frame=str(frame))
        for spot in of_frame.to_dict("records"):
            ElementTree.SubElement(element, "Spot", spot)


def _add_tracks(model, links):
    tracks = ElementTree.SubElement(model, "AllTracks")
    kept = ElementTree.SubElement(model, "FilteredTracks")
    for track, of_track in links.groupby("track", sort=True):
        element = ElementTree.SubElement(
            tracks, "Track", name=f"Track_{track}", TRACK_ID=str(track), TRACK_INDEX=str(track)
        )
        for source, target in zip(of_track["source"], of_track["target"]):
            ElementTree.SubElement(
                element, "Edge", SPOT_SOURCE_ID=str(source), SPOT_TARGET_ID=str(target)
            )
        ElementTree.SubElement(kept, "TrackID", TRACK_ID=str(track))
