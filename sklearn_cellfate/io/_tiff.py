"""Pixels of a TIFF file: its axes, its pixel size, and one plane at a time."""

import contextlib
import math
import re
import struct
import threading
from xml.etree import ElementTree

import numpy as np
import tifffile
from PIL import Image

from sklearn_cellfate.io._pixel_size import in_micrometres
from sklearn_cellfate.io._planes import DEFLATE_TIMES, SLACK, refuse_bomb, stacked

DESCRIPTION = 270  # the number of the tag
# How many times smaller a codec can make anything; of those not named here, more than any other.
MOST_TIMES = {
    tifffile.COMPRESSION.NONE: 1,
    tifffile.COMPRESSION.PACKBITS: 64,
    tifffile.COMPRESSION.DEFLATE: DEFLATE_TIMES,
    tifffile.COMPRESSION.ADOBE_DEFLATE: DEFLATE_TIMES,
    tifffile.COMPRESSION.LZW: 4096,
}
LARGEST_RATIO = 2**17


class TiffPlanes:
    """The pixels of one image series of a TIFF file, read when sliced.

    Uncompressed pixels that lie together are mapped into memory anew for every slice: what is
    not touched is not read, and what is no longer used does not count as the process's memory.
    All others are read page by page. Either way the file is closed again after each slice.

    Parameters
    ----------
    path : str
        The file.
    series : int, default=None
        Which of several series. By default there must be only one.
    alone : bool, default=False
        Read this file only, even if it says that it is one of several.

    Attributes
    ----------
    shape, dtype, axes :
        As tifffile gives them; letters outside TCZYXS stand for axes that are not known.
    pixel_sides : tuple of float or None
        Height and width of a pixel in micrometres, from OME or ImageJ metadata.
    """

    def __init__(self, path, series=None, *, alone=False):
        self.path, self._number, self._alone = path, series, alone
        self._lock, self._pages = threading.Lock(), None
        with self._opened() as (tif, chosen):
            _refuse_lost_description(tif, path)
            if chosen.dtype is None or chosen.keyframe.dtype is None:
                raise ValueError(f"{path!r} is damaged: it has no kind of number for its pixels.")
            self.shape, self.axes = tuple(chosen.shape), chosen.axes
            self.dtype = chosen.dtype.newbyteorder(tif.byteorder)
            with _clear_errors(path, f"the size of a pixel in {path!r} cannot be read"):
                self.pixel_sides = _pixel_sides(tif, chosen.kind, series or 0)
            _refuse_cut_chain(tif, path)
            _refuse_broken_word(tif, chosen, path)
            self._offset = None if chosen.is_multifile else chosen.dataoffset
            if self._offset is None:
                self._n_leading = _n_leading_axes(chosen, path)
                self._pages = _pages_of(chosen, path)
                self._decode = _decoder(chosen.keyframe, path)
                _refuse_lost_pages(self._pages, path)
                for page in self._pages:
                    _refuse_bomb(page, path)
            elif self._offset + chosen.nbytes > tif.filehandle.size:
                raise _cut_short(path)
            else:
                _refuse_bomb(chosen.keyframe, path)

    def __getitem__(self, index):
        """Return a slice; `index` has an integer or a full slice for each dimension."""
        if self._offset is not None:
            return np.memmap(self.path, self.dtype, "r", self._offset, self.shape)[index]
        leading, within = index[: self._n_leading], index[self._n_leading :]
        shape = self.shape[: self._n_leading]
        return stacked(lambda number: self._read_page(number)[within], shape, leading)

    def __getstate__(self):
        """Keep the path; a copy looks for the pages when it needs them."""
        return {key: value for key, value in vars(self).items() if key not in ("_lock", "_pages")}

    def __setstate__(self, state):
        """Begin without pages."""
        vars(self).update(state, _lock=threading.Lock(), _pages=None)

    @contextlib.contextmanager
    def _opened(self):
        with _clear_errors(self.path):
            tif = tifffile.TiffFile(self.path)
            _refuse_circle(tif)
            flags = self._descriptions_to_ignore(tif)
            if flags:
                tif.close()
                tif = tifffile.TiffFile(self.path, **flags)
        with tif:
            with _clear_errors(self.path):
                every = tif.series
            yield tif, _chosen_series(every, self._number, self.path)

    def _descriptions_to_ignore(self, tif):
        flags = {}
        if self._alone and _is_one_of_several(tif):
            flags["is_ome"] = False
        if self._number is None and _describes_pages_one_by_one(tif):
            flags["is_shaped"] = False
        return flags

    def _read_page(self, number):
        with self._lock:
            if self._pages is None:
                with self._opened() as (_, chosen):
                    self._pages = _pages_of(chosen, self.path)
            page = self._pages[number]
            with _clear_errors(self.path, f"plane {number} of {self.path!r} cannot be read"):
                file = page.parent.filehandle
                file.open()
                try:
                    plane = self._decode(page).reshape(self.shape[self._n_leading :])
                finally:
                    file.close()
        return plane


def _pages_of(series, path):
    with _clear_errors(path):
        return list(series.pages)


@contextlib.contextmanager
def _clear_errors(path, problem=None):
    """Turn what the parsers of tifffile raise on damaged bytes into one line."""
    try:
        yield
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # tifffile and the codecs raise what they like on damaged bytes
        problem = problem or f"{path!r} is not a readable TIFF file"
        raise ValueError(f"{problem}: {error}") from error


def _is_one_of_several(tif):
    """Whether a file's OME description spreads one movie over several files."""
    return len(set(re.findall(r'FileName="([^"]*)"', tif.ome_metadata or ""))) > 1


def _describes_pages_one_by_one(tif):
    """Whether tifffile was called once a frame, and so wrote as many images as frames."""
    if not tif.is_shaped or tif.is_ome or tif.is_imagej or len(tif.series) < 2:
        return False
    return len({(one.shape, one.dtype) for one in tif.series}) == 1


def _chosen_series(every, number, path):
    if not every:
        raise ValueError(f"{path!r} holds no image; is it cut short?")
    if number is None and len(every) > 1:
        found = "; ".join(f"{i}: {one.axes} {one.shape}" for i, one in enumerate(every[:4]))
        found += "; ..." * (len(every) > 4)
        raise ValueError(f"{path!r} holds {len(every)} images ({found}); choose with dataset=0.")
    if number is not None and number not in range(len(every)):
        raise ValueError(f"dataset={number!r}, but {path!r} holds images 0 to {len(every) - 1}.")
    return every[number or 0]


def _refuse_lost_description(tif, path):
    """Refuse a file that ends before its description, which OME-TIFF writes last of all."""
    page, form, file = tif.pages.first, tif.tiff, tif.filehandle
    file.seek(page.offset)
    (n_tags,) = struct.unpack(form.tagnoformat, file.read(form.tagnosize))
    entries = file.read(n_tags * form.tagsize)
    codes = struct.iter_unpack(f"{form.byteorder}H{form.tagsize - 2}x", entries)
    if (DESCRIPTION,) in codes and DESCRIPTION not in page.tags:
        raise ValueError(f"{path!r} is cut short: it ends before its own description of its axes.")


def _refuse_circle(tif):
    """Refuse pages that follow each other in a circle, which tifffile goes round for ever."""
    file, tiff = tif.filehandle, tif.tiff
    offset, seen = tif.pages.first.offset, set()
    while offset:
        if offset in seen:
            tif.close()
            raise ValueError("it comes back to an earlier page in place of its end")
        seen.add(offset)
        file.seek(offset)
        n_tags = file.read(tiff.tagnosize)
        if len(n_tags) < tiff.tagnosize:
            return  # cut short, which is said later
        (n_tags,) = struct.unpack(tiff.tagnoformat, n_tags)
        file.seek(offset + tiff.tagnosize + n_tags * tiff.tagsize)
        following = file.read(tiff.offsetsize)
        if len(following) < tiff.offsetsize:
            return
        (offset,) = struct.unpack(tiff.offsetformat, following)


def _refuse_cut_chain(tif, path):
    """Refuse a file whose list of pages does not come to its end."""
    end = tif.pages.next_page_offset
    if end is None:
        return
    tif.filehandle.seek(end)
    bytes_ = tif.filehandle.read(tif.tiff.offsetsize)
    if len(bytes_) < tif.tiff.offsetsize or struct.unpack(tif.tiff.offsetformat, bytes_)[0]:
        raise _cut_short(path)


def _refuse_broken_word(tif, chosen, path):
    """Refuse a file whose own description of its planes tifffile had to set aside."""
    for writer, says_so in (("imagej", tif.is_imagej), ("shaped", tif.is_shaped)):
        if says_so and chosen.kind in ("generic", "uniform"):
            raise ValueError(
                f"{path!r} is cut short or damaged: its pages do not fit what its {writer} "
                "description announces."
            )
    if chosen.kind == "imagej":
        announced = tif.imagej_metadata.get("images", 1)
        found = math.prod(n for n, a in zip(chosen.shape, chosen.axes) if a in "TZC")
        if announced != found:
            raise ValueError(
                f"{path!r} is damaged: its ImageJ description announces {announced} planes, and "
                f"its frames, slices and channels are {found}."
            )


def _refuse_lost_pages(pages, path):
    """Refuse pages that tifffile would fill with zeros, or that end beyond their file."""
    for number, page in enumerate(pages):
        if page is None:
            raise ValueError(
                f"{path!r} lacks plane {number} of {len(pages)}: a file of its set is missing, or "
                "it is cut short."
            )
        if not all(page.databytecounts):
            raise ValueError(f"plane {number} of {path!r} was never written.")
        end = max(map(sum, zip(page.dataoffsets, page.databytecounts)), default=math.inf)
        if end > page.parent.filehandle.size:
            raise _cut_short(page.parent.filehandle.path)


def _refuse_bomb(page, path):
    """Refuse a page that needs far more, or far fewer, bytes than the file has for it."""
    key, n_segments = page.keyframe, len(page.databytecounts)
    codec = tifffile.COMPRESSION(key.compression)
    bits = key.bitspersample if isinstance(key.bitspersample, int) else 8 * key.dtype.itemsize
    declared, stored = key.size * bits // 8, sum(page.databytecounts)
    refuse_bomb(declared, stored, path, most=MOST_TIMES.get(codec, LARGEST_RATIO))
    # Tiles reach over the edge of the image. A stream longer than what it is to fill would be
    # decompressed to its end all the same.
    room = 2 * max(declared, n_segments * math.prod(key.chunks) * bits // 8) + key.shape[0]
    room += n_segments * SLACK * (codec != tifffile.COMPRESSION.NONE)
    if stored > room:
        raise ValueError(
            f"{path!r} is damaged: it has {stored:,} bytes for a plane of {declared:,} bytes."
        )


def _decoder(page, path):
    """Return the function that decodes pages such as this one."""
    if not isinstance(page.compression, tifffile.COMPRESSION):
        raise ValueError(f"{path!r} is damaged: no such compression as it announces.")
    try:
        tifffile.TIFF.DECOMPRESSORS[page.compression]
    except KeyError:
        # Without imagecodecs tifffile does not know LZW, in which many label images are written.
        if page.compression == tifffile.COMPRESSION.LZW and page.samplesperpixel == 1:
            return _decoded_by_pillow
        raise ValueError(
            f"{path!r} is compressed with {page.compression.name}, which needs one package more: "
            "pip install imagecodecs"
        ) from None
    return _decoded_by_tifffile


def _decoded_by_tifffile(page):
    return page.asarray()


def _decoded_by_pillow(page):
    with Image.open(page.parent.filehandle.path) as image:
        image.seek(page.index)
        return np.asarray(image).astype(page.keyframe.dtype, copy=False)


def _cut_short(path):
    return ValueError(f"{path!r} is cut short: it ends before the pixels that it announces.")


def _n_leading_axes(series, path):
    """How many of the series' dimensions count pages; the rest lie within a page."""
    for n in range(len(series.shape) + 1):
        if math.prod(series.shape[:n]) == len(series.pages):
            if math.prod(series.shape[n:]) == series.keyframe.size:
                return n
    raise ValueError(
        f"{path!r} is cut short or damaged: {len(series.pages)} planes of "
        f"{series.keyframe.shape} do not make {series.axes} {series.shape}."
    )


def _pixel_sides(tif, kind, number):
    if kind == "ome":
        return _ome_pixel_sides(tif.ome_metadata, number)
    if kind == "imagej":
        unit, tags = tif.imagej_metadata.get("unit"), tif.pages.first.tags
        return tuple(_imagej_side(tags.get(f"{a}Resolution"), unit) for a in "YX")
    return None, None  # the resolution tags of other files are for printers


def _ome_pixel_sides(xml, number):
    pixels = ElementTree.fromstring(xml).findall("{*}Image/{*}Pixels")[number].attrib
    return tuple(
        in_micrometres(pixels.get(f"PhysicalSize{a}"), pixels.get(f"PhysicalSize{a}Unit", "µm"))
        for a in "YX"
    )


def _imagej_side(tag, unit):
    """Length of a pixel from ImageJ's pixels a unit, stored as a fraction."""
    pixels, units = tag.value if tag else (0, 1)
    return in_micrometres(units / pixels, unit) if pixels else None
