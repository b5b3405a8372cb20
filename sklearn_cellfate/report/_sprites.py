"""Many small images as one PNG inside the page."""

import base64
import io

import numpy as np

__all__ = ["data_uri", "make_sprite"]


def make_sprite(tiles, n_columns):
    """Lay images side by side, row by row, the channels of each from left to right.

    Parameters
    ----------
    tiles : ndarray of uint8 of shape (n, C, h, w)
        Grey values.
    n_columns : int
        Images in a row.

    Returns
    -------
    uri : str
        The PNG as a data URI.
    """
    from PIL import Image

    n, channels, height, width = tiles.shape
    n_rows = -(-n // n_columns)
    wide = tiles.transpose(0, 2, 1, 3).reshape(n, height, channels * width)
    sheet = np.zeros((n_rows * n_columns, height, channels * width), np.uint8)
    sheet[:n] = wide
    sheet = sheet.reshape(n_rows, n_columns, height, -1).transpose(0, 2, 1, 3)
    sheet = sheet.reshape(n_rows * height, -1)
    file = io.BytesIO()
    Image.fromarray(sheet).save(file, "png", optimize=True)
    return data_uri(file.getvalue(), "image/png")


def data_uri(content, kind):
    """Bytes as an address that holds them."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
