"""Damaged files: an error of ours or a right answer; never a hang, a crash or a full memory.

Sixty mutations of each format run here; ``docs/hostile_input.rst`` says how to run thousands.
"""

import collections
import json
import struct
import tracemalloc
import zlib

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile
from hostile_samples import FORMATS, MOVIE
from microscope_files import ilastik_file, write, zarr_image
from mutations import Reader
from PIL import Image

from sklearn_cellfate import read_cells
from sklearn_cellfate.io import read_stack, read_tracks

N_MUTATIONS = 60
FRAME = (MOVIE[0, 0] // 16).astype(np.uint8)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A process that may die."""
    with Reader(tmp_path_factory.mktemp("damaged")) as reader:
        yield reader


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_are_refused_by_name_or_read_right(name, reader):
    found = collections.defaultdict(list)
    for number in range(N_MUTATIONS):
        kind, what = reader.read(name, number)
        found[kind].append(f"{number}: {what}")
    assert found["refused"], "no mutation was noticed"
    assert set(found) <= {"refused", "same", "other"}, {
        kind: found[kind] for kind in ("foreign", "hang", "crash") if kind in found
    }


# Files that declare more than they hold ------------------------------------------------------


def refused(read, path, words):
    """Read, expect one line of ours that names the file, and little memory taken."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=words) as caught:
            read(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert path.name in str(caught.value) and "\n" not in str(caught.value)
    assert peak < 40 * 2**20


def every_pixel(path):
    return np.asarray(read_stack(path))


def set_tags(path, **values):
    with tifffile.TiffFile(path, mode="r+b") as tif:
        for page in list(tif.pages):
            for name, value in values.items():
                page.tags[name].overwrite(value, dtype="I")


@pytest.mark.parametrize("side", [20_000, 1_000_000])
@pytest.mark.parametrize("big_tiff", [False, True])
@pytest.mark.parametrize("compression", ["raw", "tiff_deflate", "packbits", "tiff_lzw"])
def test_a_tiff_that_declares_a_huge_image(tmp_path, compression, big_tiff, side):
    path = tmp_path / "bomb.tif"
    Image.fromarray(FRAME).save(path, compression=compression, big_tiff=big_tiff)
    np.testing.assert_array_equal(every_pixel(path)[0, 0], FRAME)
    set_tags(path, ImageWidth=side, ImageLength=side, RowsPerStrip=side)
    refused(every_pixel, path, "cut short|far more than")


def test_a_tiff_whose_stream_is_longer_than_its_image(tmp_path):
    path = tmp_path / "bomb.tif"
    zeros = np.zeros((8000, 8000), np.uint8)  # 64 MB that take 62 kB
    tifffile.imwrite(path, zeros, compression="zlib", metadata=None, rowsperstrip=8000)
    assert path.stat().st_size < 100_000
    set_tags(path, ImageWidth=16, ImageLength=16, RowsPerStrip=16)
    refused(every_pixel, path, "bytes for a plane of 256 bytes")


def test_images_that_compress_well_are_no_bombs(tmp_path):
    zeros = np.zeros((3, 1000, 1200), np.uint16)
    path = write(tmp_path / "dark.tif", zeros, "TYX", compression="zlib", rowsperstrip=1000)
    assert zeros.nbytes > 900 * path.stat().st_size
    assert not every_pixel(path).any()
    bits = np.zeros((600, 1000), bool)
    bits[::7] = True
    for compression in ("raw", "packbits"):
        Image.fromarray(bits).save(tmp_path / "mask.tif", compression=compression)
        np.testing.assert_array_equal(every_pixel(tmp_path / "mask.tif")[0, 0], bits)
    small = write(tmp_path / "tiles.tif", MOVIE, "TCYX", tile=(64, 64))
    np.testing.assert_array_equal(every_pixel(small), MOVIE)


@pytest.mark.parametrize("side", [9_000, 12_000, 1_000_000])
@pytest.mark.filterwarnings("ignore:Image size")
def test_a_png_that_declares_a_huge_image(tmp_path, side):
    path = tmp_path / "bomb.png"
    Image.fromarray(MOVIE[0, 0]).save(path)
    data = path.read_bytes()
    header = data[12:16] + struct.pack(">II", side, side) + data[24:29]
    path.write_bytes(data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:])
    refused(every_pixel, path, "far more than|decompression bomb")


@pytest.mark.parametrize(
    ("shape", "words"),
    [([4, 2, 10**6, 10**6], "far more than"), ([10**12, 2, 12, 14], "frames in")],
)
def test_a_zarr_that_declares_a_huge_movie(tmp_path, shape, words):
    path = zarr_image(tmp_path / "bomb.zarr", MOVIE, "tcyx")
    notes = next(path.glob("*/zarr.json"))
    declared = json.loads(notes.read_text()) | {"shape": shape}
    notes.write_text(json.dumps(declared))
    refused(every_pixel, path, words)


@pytest.mark.parametrize(
    ("shape", "words"), [((4, 10**6, 10**6), "far more than"), ((10**12, 12, 14), "frames in")]
)
def test_an_hdf5_that_declares_a_huge_movie(tmp_path, shape, words):
    path = tmp_path / "bomb.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("film", shape, np.uint16, chunks=(1, 12, 14))
    refused(lambda path: np.asarray(read_stack(path, axes="TYX")), path, words)


def test_movies_with_dark_frames_left_out_are_no_bombs(tmp_path):
    path = tmp_path / "dark.h5"
    with h5py.File(path, "w") as file:  # 4 GB, none of it written
        file.create_dataset("film", (500, 2000, 2000), np.uint16, chunks=(1, 200, 200))
    stack = read_stack(path, axes="TYX")
    assert stack.shape == (500, 1, 2000, 2000) and not stack[499].any()


@pytest.mark.parametrize(
    "notes",
    [
        {"shape": [1000, 1000, 1000]},
        {"shape": [-2, -2]},
        {"shape": [2**62, 4, 4]},
        {"shape": [2, 2], "permutation": [0, 0]},
        {},
    ],
    ids=str,
)
def test_a_table_that_lies_about_the_shape_of_its_images(tmp_path, notes):
    path = tmp_path / "cells.parquet"
    storage = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(24, dtype=np.float32)), 4)
    described = {
        "ARROW:extension:name": "arrow.fixed_shape_tensor",
        "ARROW:extension:metadata": json.dumps(notes),
    }
    field = pa.field("image", storage.type, metadata=described)
    pq.write_table(pa.Table.from_arrays([storage], schema=pa.schema([field])), path)
    refused(read_cells, path, "not a readable Parquet file")


# What random damage found --------------------------------------------------------------------


@pytest.mark.parametrize("reads", ["stack", "tracks"])
def test_an_endless_heap_of_text_in_hdf5(tmp_path, reads):
    """The HDF5 library never returns from it: an object of size 0 where room is left."""
    path = ilastik_file(tmp_path / "film.h5", MOVIE, "tcyx")
    data = bytearray(path.read_bytes())
    heap = data.find(b"GCOL")
    size = int.from_bytes(data[heap + 8 : heap + 16], "little")
    data[heap + 16 : heap + size] = bytes(size - 16)
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"film.h5' is not a readable HDF5 .*heap of text"):
        read_stack(path) if reads == "stack" else read_tracks(path)


def test_an_hdf5_text_that_is_longer_than_its_file(tmp_path):
    """The HDF5 library takes 4 GB for it."""
    path = ilastik_file(tmp_path / "film.h5", MOVIE, "tcyx")
    data = bytearray(path.read_bytes())
    reference = data.find(struct.pack("<Q", data.find(b"GCOL")))
    data[reference - 2 : reference] = b"\xff\xff"
    path.write_bytes(data)
    refused(read_stack, path, "the text of which byte .* is longer than the file")


def test_a_sound_hdf5_with_much_text_is_read(tmp_path):
    path = ilastik_file(tmp_path / "film.h5", MOVIE, "tcyx")
    with h5py.File(path, "a") as file:
        for number in range(300):
            file.attrs[f"note {number}"] = "word " * number
        del file.attrs["note 7"]
    np.testing.assert_array_equal(every_pixel(path), MOVIE)


def test_imagej_planes_that_are_not_all_accounted_for(tmp_path):
    path = write(tmp_path / "film.tif", MOVIE, "TCYX", imagej=True)
    path.write_bytes(path.read_bytes().replace(b"channels=2", b"chanoels=2"))
    with pytest.raises(ValueError, match=r"film.tif' .* announces 8 planes, .* are 4"):
        read_stack(path)


@pytest.mark.parametrize("n_pages", [1, 150])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_tiff_pages_that_follow_each_other_in_a_circle(tmp_path, bigtiff, n_pages):
    """The library would read them for ever."""
    path = tmp_path / "film.tif"
    with tifffile.TiffWriter(path, bigtiff=bigtiff) as tif:
        for _ in range(n_pages):
            tif.write(MOVIE[0, 0], contiguous=False, metadata=None)
    with tifffile.TiffFile(path) as tif:
        assert len(tif.pages) == n_pages  # only then is the last page known
        first, end = tif.pages[0].offset, tif.pages.next_page_offset
        form = tif.tiff.offsetformat
    with open(path, "r+b") as file:
        file.seek(end)
        file.write(struct.pack(form, first))
    with pytest.raises(ValueError, match=r"film.tif' is not .* comes back to an earlier page"):
        read_stack(path)


def test_an_imagej_resolution_that_is_no_fraction(tmp_path):
    path = write(tmp_path / "film.tif", MOVIE, "TCYX", imagej=True, resolution=(2, 2))
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tif.pages.first.tags["XResolution"].overwrite((7,), dtype="H")
    with pytest.raises(ValueError, match=r"the size of a pixel in .*film.tif' cannot be read"):
        read_stack(path)


def test_a_kind_of_pixel_that_does_not_fit_what_is_stored(tmp_path):
    path = write(tmp_path / "film.tif", MOVIE, "TCYX")
    set_tags(path, BitsPerSample=1)
    with pytest.raises(ValueError, match=r"film.tif' is damaged: it has .* bytes for a plane of"):
        read_stack(path)


@pytest.mark.parametrize(
    "text", [b"1 0 1 0\n2 \xff 3 1\n", b"1 0 1 0\n2 0 99999999999999999999 1"]
)
def test_lineages_of_numbers_that_are_none(tmp_path, text):
    path = tmp_path / "man_track.txt"
    path.write_bytes(text)
    write(tmp_path / "man_track000.tif", MOVIE[0, 0])
    with pytest.raises(ValueError, match=r"man_track.txt': a line reads .* expected 4 whole"):
        read_tracks(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('<?xml version="1.0" encoding="UTF-7000"?><Tracks/>', "not well-formed XML"),
        ('<TrackMate><TrackID TRACK_ID="1"/></TrackMate>', "TrackID before its FilteredTracks"),
    ],
)
def test_models_in_disorder(tmp_path, text, words):
    path = tmp_path / "model.xml"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"model.xml' .*{words}"):
        read_tracks(path)


def test_an_older_ome_zarr_is_read_without_a_word(tmp_path, capfd):
    path = zarr_image(tmp_path / "film.zarr", MOVIE, "tcyx", version="0.4")
    capfd.readouterr()
    np.testing.assert_array_equal(every_pixel(path), MOVIE)
    assert capfd.readouterr() == ("", "")
