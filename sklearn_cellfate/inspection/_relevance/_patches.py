"""Relevance maps of large images, put together from those of their patches."""

import numpy as np
import pandas as pd
from sklearn.utils import gen_batches

from sklearn_cellfate.inspection._pipelines import find_image_estimator
from sklearn_cellfate.inspection._relevance._attribution import Attribution
from sklearn_cellfate.inspection._relevance._readout import find_columns

__all__ = ["attribute_patches"]

AT_ONCE = 256  # patches that are cut at a time


def attribute_patches(classifier, images, target, settings):
    """Map the relevance of images for the mean score of their patches.

    Parameters
    ----------
    classifier : PatchClassifier
        Fitted, around a network.
    images : ndarray of shape (n, C, H, W), float32
        As it was fitted on.
    target : class label, array-like of shape (n,) or None
        See :func:`relevance`; None is the class predicted for each image as a whole.
    settings : Settings
        How.

    Returns
    -------
    maps : ndarray of shape (n, C, H, W), float32
        Channels are those that the network sees. Where patches overlap their relevance adds up.
    scores : DataFrame
        ``target``, and ``score`` and ``constant``, means over the patches that count.
    """
    rows, places = classifier._find_patches(images)
    labels = classifier.predict(images) if target is None else np.asarray(target)
    if labels.ndim == 0:
        labels = np.full(len(images), target, dtype=object)
    elif len(labels) != len(images):
        raise ValueError(f"target names {len(labels)} classes, but X has {len(images)} images.")
    parts, maps = [], None
    for part in gen_batches(len(rows), AT_ONCE):
        found, scores = _attribute(classifier, images, rows[part], places[part], labels, settings)
        if maps is None:
            maps = np.zeros((len(images), found.shape[1], *images.shape[2:]), np.float32)
        for patch, row, place in zip(found, rows[part], places[part]):
            classifier._cut(maps[row], place)[:] += patch
        parts.append(scores.assign(row=rows[part]))
    maps /= np.bincount(rows)[:, np.newaxis, np.newaxis, np.newaxis]
    by_row = pd.concat(parts).groupby("row")
    means = by_row[["score", "constant"]].mean().reset_index(drop=True)
    means.insert(0, "target", by_row["target"].first().to_numpy())
    return maps, means


def _attribute(classifier, images, rows, places, labels, settings):
    cut = classifier._cut_all(images, rows, places)
    network, seen = find_image_estimator(classifier.estimator_, cut)
    if seen.shape[2:] != cut.shape[2:]:
        raise ValueError(
            f"the network sees patches of {seen.shape[2]} x {seen.shape[3]} pixels, not the "
            f"{cut.shape[2]} x {cut.shape[3]} that are cut from the images, so maps have no place "
            "in them; explain estimator_ on patches."
        )
    columns = find_columns(network, labels[rows], len(rows))
    attribution = Attribution(network, seen, None, settings, columns)
    return attribution.maps(), attribution.scores()
