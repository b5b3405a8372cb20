"""The rows of a table as training sees them: in an order of their own, each with its visits."""

import hashlib
from dataclasses import dataclass

import numpy as np

__all__ = ["TrainingRows", "arrange_rows"]


@dataclass
class TrainingRows:
    """Rows ready for training.

    Attributes
    ----------
    images : ndarray of shape (n, C, H, W), float32
        Pixels.
    codes : ndarray of shape (n,), int, or None
        Class indices.
    visits : ndarray of shape (n,), float64
        How often an epoch visits each row, on average.
    groups : ndarray of shape (n,) or None
        Donor, clone, field ... of each row.
    """

    images: np.ndarray
    codes: np.ndarray | None
    visits: np.ndarray
    groups: np.ndarray | None

    def take(self, rows):
        """Return some of the rows."""
        pick = lambda values: None if values is None else values[rows]  # noqa: E731
        return TrainingRows(
            self.images[rows], pick(self.codes), self.visits[rows], pick(self.groups)
        )


def arrange_rows(images, codes, weights, groups):
    """Sort rows by pixels and class, drop those of weight zero and turn weights into visits.

    The order makes a fit independent of the order of the table, and a weight of 2 the same as a
    row written twice: both draw the same mini-batches.

    Parameters
    ----------
    images : ndarray of shape (n, C, H, W)
    codes : ndarray of shape (n,), int, or None
    weights : ndarray of shape (n,) or None
    groups : ndarray of shape (n,) or None

    Returns
    -------
    rows : TrainingRows
    """
    keys = [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images]
    order = np.array(
        sorted(range(len(images)), key=lambda i: (keys[i], codes is not None and codes[i]))
    )
    visits = np.ones(len(images)) if weights is None else _visits(np.asarray(weights, np.float64))
    rows = TrainingRows(images, codes, visits, groups)
    return rows.take(order[visits[order] > 0])


def _visits(weights):
    # Whole-number weights count repetitions of a row; any others say how often rows are seen
    # relative to each other, not how long an epoch is. Nor does a table weighted by thousands
    # mean epochs a thousand times as long.
    n_rows, total = len(weights), weights.sum()
    counts = np.all(weights == np.round(weights)) and total <= 10 * n_rows
    return weights if counts else weights * (n_rows / total)
