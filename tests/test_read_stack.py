"""read_stack: the same movie comes out of every format, lazily, and bad files are named."""

import pickle
import re
import shutil
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest
import tifffile
from microscope_files import ilastik_file, write, zarr_image
from PIL import Image

from sklearn_cellfate.io import as_stack, read_stack

# 6 frames, 2 channels; every pixel differs from all others.
MOVIE = np.arange(6 * 2 * 20 * 24, dtype=np.uint16).reshape(6, 2, 20, 24)
FRAMES = MOVIE[:, 0]


def assert_holds(stack, pixels):
    pixels = pixels[:, np.newaxis] if pixels.ndim == 3 else pixels
    assert stack.shape == pixels.shape
    assert stack.dtype == pixels.dtype.newbyteorder("=")
    np.testing.assert_array_equal(np.asarray(stack), pixels)
    np.testing.assert_array_equal(stack[-1], pixels[-1])
    assert stack[0].dtype == stack.dtype and stack[0].dtype.isnative


# TIFF -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("kind", ["shaped", "ome", "imagej"])
def test_every_tiff_gives_the_movie(tmp_path, kind, bigtiff, byteorder, compression):
    if kind == "imagej" and bigtiff:
        pytest.skip("ImageJ has no BigTIFF")
    path = tmp_path / "field 3.tif"
    flag = {} if kind == "shaped" else {kind: True}
    options = {"byteorder": byteorder, "compression": compression, "bigtiff": bigtiff, **flag}
    stack = read_stack(write(path, MOVIE, "TCYX", **options))
    assert_holds(stack, MOVIE)
    assert stack.name == "field 3"
    assert stack.pixel_size is None


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float32", "float64"])
def test_any_dtype(tmp_path, dtype):
    pixels = MOVIE.astype(dtype)
    assert_holds(read_stack(write(tmp_path / "a.tif", pixels, "TCYX")), pixels)


@pytest.mark.parametrize("order", ["CTYX", "TYXC", "YXT", "XYTC"])
def test_any_order_of_axes_comes_out_as_frames_of_channels(tmp_path, order):
    pixels = MOVIE if "C" in order else FRAMES
    letters = "TCYX" if "C" in order else "TYX"
    stored = pixels.transpose([letters.index(a) for a in order])
    assert_holds(read_stack(write(tmp_path / "a.tif", stored, order)), pixels)
    with_z = stored[np.newaxis]
    assert_holds(read_stack(write(tmp_path / "z.tif", with_z, "Z" + order)), pixels)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_colours_become_channels(tmp_path, compression):
    colours = np.random.default_rng(0).integers(0, 255, (4, 16, 18, 3), np.uint8)
    path = tmp_path / "a.tif"
    write(path, colours, "TYXS", photometric="rgb", compression=compression)
    assert_holds(read_stack(path), colours.transpose(0, 3, 1, 2))
    write(path, colours[0], None, photometric="rgb", compression=compression)
    assert_holds(read_stack(path), colours[:1].transpose(0, 3, 1, 2))
    two = np.stack([colours, 255 - colours], axis=1)
    assert_holds(
        read_stack(write(path, two, "TCYXS", photometric="rgb", ome=True)),
        two.transpose(0, 1, 4, 2, 3).reshape(4, 6, 16, 18),
    )


def test_one_image_needs_no_axes(tmp_path):
    assert_holds(read_stack(write(tmp_path / "a.tif", FRAMES[0])), FRAMES[:1])


def test_pages_that_do_not_say_what_they_are_are_not_guessed(tmp_path):
    path = write(tmp_path / "movie.tif", FRAMES)
    message = r"movie.tif' holds pixels of shape \(6, 20, 24\) \(uint16\).*axes='TYX'.*axes='CYX'"
    with pytest.raises(ValueError, match=message):
        read_stack(path)
    assert_holds(read_stack(path, axes="TYX"), FRAMES)
    assert_holds(read_stack(path, axes="CYX"), FRAMES[np.newaxis])
    assert_holds(read_stack(path, axes="tyx"), FRAMES)
    hyperstack = tmp_path / "hyper.tif"
    tifffile.imwrite(hyperstack, MOVIE, photometric="minisblack")  # shape, but no axes
    with pytest.raises(ValueError, match="which dimension is what: pass axes.*axes='TCYX'"):
        read_stack(hyperstack)
    assert_holds(read_stack(hyperstack, axes="TCYX"), MOVIE)


def test_axes_of_the_user_overrule_those_of_the_file(tmp_path):
    path = write(tmp_path / "a.tif", FRAMES, "ZYX", imagej=True)
    with pytest.raises(ValueError, match="6 planes in depth.*maximum over Z.*axes='TYX'"):
        read_stack(path)
    assert_holds(read_stack(path, axes="TYX"), FRAMES)


@pytest.mark.parametrize("axes", ["TCYX", "YX", "TYY", "TAX", "TCX", "_YX", ""])
def test_axes_that_do_not_fit_are_refused(tmp_path, axes):
    with pytest.raises(ValueError, match=f"axes='{axes}'"):
        read_stack(write(tmp_path / "a.tif", FRAMES), axes=axes)


def test_depth_is_refused(tmp_path):
    path = write(tmp_path / "a.ome.tif", MOVIE, "TZYX")
    with pytest.raises(ValueError, match=r"2 planes in depth \(T 6, Z 2, Y 20, X 24\)"):
        read_stack(path)


@pytest.mark.parametrize(
    ("unit", "micrometres"),
    [("µm", 1), ("um", 1), ("nm", 1e-3), ("mm", 1e3), ("cm", 1e4), ("pixel", None)],
)
def test_pixel_size_of_ome_is_converted_to_micrometres(tmp_path, unit, micrometres):
    size = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    size |= {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit}
    path = write(tmp_path / "a.ome.tif", MOVIE, "TCYX", metadata=size)
    expected = None if micrometres is None else pytest.approx(0.5 * micrometres)
    assert read_stack(path).pixel_size == expected
    assert read_stack(path, pixel_size=0.7).pixel_size == 0.7


@pytest.mark.parametrize(
    ("unit", "micrometres"),
    [("micron", 1), ("um", 1), ("nm", 1e-3), ("\\u00B5m", 1), (None, None)],
)
def test_pixel_size_of_imagej_is_converted_to_micrometres(tmp_path, unit, micrometres):
    options = {"imagej": True, "resolution": (1 / 0.65, 1 / 0.65), "metadata": {"unit": unit}}
    path = write(tmp_path / "a.tif", MOVIE, "TCYX", **options)
    expected = None if micrometres is None else pytest.approx(0.65 * micrometres, rel=1e-4)
    assert read_stack(path).pixel_size == expected


def test_dots_an_inch_of_other_files_are_no_pixel_size(tmp_path):
    path = write(tmp_path / "a.tif", FRAMES, "TYX", resolution=(72, 72), resolutionunit="INCH")
    assert read_stack(path).pixel_size is None


def test_pixels_that_are_not_square_have_no_one_size(tmp_path):
    size = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.6}
    path = write(tmp_path / "a.ome.tif", MOVIE, "TCYX", metadata=size)
    with pytest.warns(UserWarning, match=r"pixels of 0.6 x 0.5 um, which are not square"):
        assert read_stack(path).pixel_size is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_stack(path, pixel_size=0.5).pixel_size == 0.5
    with pytest.raises(ValueError, match="pixel_size must be positive"):
        read_stack(path, pixel_size=0)


def test_one_of_several_images_is_chosen_not_guessed(tmp_path):
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as file:
        for size, pixels in [(0.5, MOVIE), (0.25, MOVIE[:, :, :9])]:
            metadata = {"axes": "TCYX", "PhysicalSizeX": size}
            file.write(pixels, photometric="minisblack", metadata=metadata)
    with pytest.raises(ValueError, match=r"2 images \(0: TCYX .*1: TCYX .*dataset=0"):
        read_stack(path)
    stack = read_stack(path, dataset=1)
    assert_holds(stack, MOVIE[:, :, :9])
    assert stack.pixel_size == 0.25
    with pytest.raises(ValueError, match="dataset=2, but .* holds images 0 to 1"):
        read_stack(path, dataset=2)


def test_frames_that_were_appended_one_by_one_are_one_movie(tmp_path):
    for frame in FRAMES:
        write(tmp_path / "a.tif", frame, "YX", append=True)
    with pytest.raises(ValueError, match=r"shape \(6, 20, 24\).*axes='TYX'"):
        read_stack(tmp_path / "a.tif")
    assert_holds(read_stack(tmp_path / "a.tif", axes="TYX"), FRAMES)
    assert_holds(read_stack(tmp_path / "a.tif", dataset=4), FRAMES[4:5])


def test_lzw_is_read_without_more_packages(tmp_path):
    path = tmp_path / "a.tif"
    first, *rest = map(Image.fromarray, FRAMES)
    first.save(path, save_all=True, append_images=rest, compression="tiff_lzw")
    assert_holds(read_stack(path, axes="TYX"), FRAMES)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("kept", [0.98, 0.6, 0.1, 0.01])
@pytest.mark.parametrize("kind", ["plain", "shaped", "ome", "imagej"])
def test_a_file_cut_short_is_refused_when_opened(tmp_path, kind, kept, compression):
    noise = np.random.default_rng(0).integers(0, 60000, (12, 64, 64), np.uint16)
    path, flag = tmp_path / "cut.tif", {kind: True} if kind in ("ome", "imagej") else {}
    write(path, noise, None if kind == "plain" else "TYX", compression=compression, **flag)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(ValueError, match="cut.tif") as raised:
        read_stack(path, axes="TYX")
    assert "\n" not in str(raised.value)
    with pytest.raises(ValueError, match="cut.tif"):
        read_stack(path)


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("n_lost", [1, 100, 600])
def test_a_file_that_lost_the_end_of_its_description_is_cut_short(tmp_path, n_lost, bigtiff):
    path = write(
        tmp_path / "cut.tif", FRAMES, "TYX", ome=True, compression="zlib", bigtiff=bigtiff
    )
    content = path.read_bytes()
    path.write_bytes(content[:-n_lost])
    for axes in (None, "TYX"):
        with pytest.raises(ValueError, match="cut.tif' is cut short"):
            read_stack(path, axes=axes)


def test_a_large_file_of_imagej_has_one_description_for_all_planes(tmp_path):
    path = write(tmp_path / "a.tif", FRAMES, "TYX", imagej=True)
    with tifffile.TiffFile(path) as file:
        end = file.pages.first.offset + 2 + 12 * len(file.pages.first.tags)
    content = bytearray(path.read_bytes())
    content[end : end + 4] = bytes(4)  # as ImageJ writes from 4 GB on: no second page
    path.write_bytes(content)
    assert_holds(read_stack(path), FRAMES)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="cut short"):
        read_stack(path)


def test_pages_one_by_one_cut_short_are_refused_when_opened(tmp_path):
    path = tmp_path / "cut.tif"
    with tifffile.TiffWriter(path) as file:  # each page's description before its pixels
        for frame in FRAMES:
            file.write(frame, metadata=None, contiguous=False)
    content = path.read_bytes()
    assert_holds(read_stack(path, axes="TYX"), FRAMES)
    for length in range(8, len(content) - 1, 97):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="cut.tif"):
            read_stack(path, axes="TYX")


def test_damaged_pixels_are_named_when_read(tmp_path):
    path = write(tmp_path / "bad.tif", FRAMES, "TYX", compression="zlib")
    with tifffile.TiffFile(path) as file:
        offset = file.pages[3].dataoffsets[0]
    content = bytearray(path.read_bytes())
    content[offset : offset + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    stack = read_stack(path)
    np.testing.assert_array_equal(stack[2][0], FRAMES[2])
    with pytest.raises(ValueError, match="plane 3 of .*bad.tif' cannot be read"):
        stack[3]


def test_a_set_of_files_with_one_missing_is_not_filled_with_zeros(tmp_path):
    uuids = ["urn:uuid:00000000-0000-0000-0000-00000000000" + str(i) for i in range(2)]
    blocks = "".join(
        f'<TiffData IFD="0" FirstT="{t}" PlaneCount="1">'
        f'<UUID FileName="t{t}.ome.tif">{uuid}</UUID></TiffData>'
        for t, uuid in enumerate(uuids)
    )
    for t, uuid in enumerate(uuids):
        xml = (
            '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="{uuid}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" '
            'Type="uint16" SizeX="24" SizeY="20" SizeC="1" SizeZ="1" SizeT="2">'
            f"{blocks}</Pixels></Image></OME>"
        )
        write(tmp_path / f"t{t}.ome.tif", FRAMES[t], description=xml)
    assert_holds(read_stack(tmp_path / "t0.ome.tif"), FRAMES[:2])
    assert_holds(read_stack(tmp_path), FRAMES[:2])  # as a folder: each file by itself
    (tmp_path / "t1.ome.tif").unlink()
    with pytest.raises(ValueError, match="lacks plane 1 of 2"):
        read_stack(tmp_path / "t0.ome.tif")


def test_files_that_are_no_images_are_named(tmp_path):
    path = tmp_path / "a.tif"
    with pytest.raises(FileNotFoundError, match=re.escape(repr(str(path)))):
        read_stack(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="a.tif' is an empty file"):
        read_stack(path)
    path.write_text("cell,frame,x,y")
    with pytest.raises(ValueError, match="a.tif' is no TIFF, HDF5 or PNG file"):
        read_stack(path)
    path.write_bytes(b"II*\0" + b"\x99" * 50)
    with pytest.raises(ValueError, match="a.tif'"):
        read_stack(path)


# Lazy -----------------------------------------------------------------------------------------


def is_mapped(array):
    while array is not None and not isinstance(array, np.memmap):
        array = getattr(array, "base", None)
    return array is not None


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_one_frame_of_a_large_file_is_read_alone(tmp_path, compression, monkeypatch):
    path = tmp_path / "large.tif"
    frame = np.zeros((512, 512), np.uint16)
    with tifffile.TiffWriter(path) as file:  # 64 MB of pixels
        metadata = {"axes": "TYX"}
        file.write(
            (frame + t for t in range(128)),
            shape=(128, 512, 512),
            dtype=np.uint16,
            compression=compression,
            photometric="minisblack",
            metadata=metadata,
        )
    decoded = []
    asarray = tifffile.TiffPage.asarray
    monkeypatch.setattr(
        tifffile.TiffPage, "asarray", lambda page, **k: decoded.append(page) or asarray(page, **k)
    )
    tracemalloc.start()
    stack = read_stack(path)
    mean = stack[100].mean()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert mean == 100
    assert peak < 8 * frame.nbytes
    assert len(decoded) == (compression is not None)
    assert is_mapped(stack[100]) == (compression is None)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_stack_pickles_as_its_path(tmp_path, compression, monkeypatch):
    path = write(
        tmp_path / "a.tif", np.tile(MOVIE, (20, 1, 1, 1)), "TCYX", compression=compression
    )
    monkeypatch.chdir(tmp_path)
    stack = read_stack("a.tif", name="A1", pixel_size=0.5)
    stack[3]
    pickled = pickle.dumps(stack)
    assert len(pickled) < 2000
    monkeypatch.chdir("/")
    copy = pickle.loads(pickled)
    assert (copy.name, copy.pixel_size, copy.shape) == ("A1", 0.5, stack.shape)
    np.testing.assert_array_equal(copy[7], MOVIE[1])
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"a\.tif"):
        pickle.loads(pickled)[0]


def test_threads_share_a_stack(tmp_path):
    stack = read_stack(write(tmp_path / "a.tif", MOVIE, "TCYX", compression="zlib"))
    with ThreadPoolExecutor(8) as pool:
        frames = list(pool.map(lambda t: stack[t % 6], range(96)))
    np.testing.assert_array_equal(frames, np.tile(MOVIE, (16, 1, 1, 1)))


def test_nothing_stays_open(tmp_path):
    path = write(tmp_path / "a.tif", MOVIE, "TCYX", compression="zlib")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a file left open is a ResourceWarning
        stack = read_stack(path)
        stack[0], stack[1]
        del stack


# Folders --------------------------------------------------------------------------------------


def test_a_folder_is_read_in_the_order_of_its_numbers(tmp_path):
    for t, frame in enumerate(FRAMES):
        write(tmp_path / f"exp2_t{t + 7}.tif", frame)  # 7 to 12: as text, 10 comes first
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "._exp2_t8.tif").write_text("what a Mac leaves behind")
    stack = read_stack(tmp_path)
    assert_holds(stack, FRAMES)
    assert stack.name == tmp_path.name
    assert_holds(pickle.loads(pickle.dumps(stack)), FRAMES)


@pytest.mark.parametrize("name", ["t{t:03}_c{c}.tif", "ch{c}_{t}.TIFF", "a-Channel_{c}-t{t}.tif"])
def test_channels_in_the_names_of_files(tmp_path, name):
    for t, c in np.ndindex(6, 2):
        write(tmp_path / name.format(t=t, c=c + 1), MOVIE[t, c])
    assert_holds(read_stack(tmp_path), MOVIE)


def test_files_of_a_folder_may_hold_channels_or_colours(tmp_path):
    for t, frame in enumerate(MOVIE):
        write(tmp_path / f"{t}.ome.tif", frame, "CYX")
    assert_holds(read_stack(tmp_path), MOVIE)
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    for t, frame in enumerate(MOVIE):
        write(tmp_path / f"{t}.tif", frame)
    with pytest.raises(ValueError, match="pass axes.*axes='TCYX'"):
        read_stack(tmp_path)
    assert_holds(read_stack(tmp_path, axes="TCYX"), MOVIE)


def test_a_folder_of_png(tmp_path):
    for t, frame in enumerate(FRAMES):
        Image.fromarray(frame).save(tmp_path / f"{t}.png")
    assert_holds(read_stack(tmp_path), FRAMES)
    assert_holds(read_stack(tmp_path / "2.png"), FRAMES[2:3])


def test_missing_frames_are_named(tmp_path):
    for t in [0, 1, 3, 5]:
        write(tmp_path / f"t{t}.tif", FRAMES[t])
    with pytest.raises(ValueError, match=r"lacks 2 of the files .*first number 2, 4; every frame"):
        read_stack(tmp_path)


def test_a_missing_channel_of_a_frame_is_named(tmp_path):
    for t, c in [(0, 0), (0, 1), (1, 0)]:
        write(tmp_path / f"t{t}c{c}.tif", MOVIE[t, c])
    with pytest.raises(ValueError, match="lacks 1 of the files .*first number 1/1"):
        read_stack(tmp_path)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["phase1.tif", "labels1.tif"], "differ in more than their numbers"),
        (["1.tif", "01.tif"], "same number"),
        (["s1_t1.tif", "s1_t2.tif", "s2_t1.tif", "s2_t2.tif"], "does not show which one counts"),
        (["t1_z1.tif", "t1_z2.tif"], "2 planes in depth"),
    ],
)
def test_names_that_are_no_movie_are_refused(tmp_path, names, message):
    for name in names:
        write(tmp_path / name, FRAMES[0])
    with pytest.raises(ValueError, match=message):
        read_stack(tmp_path)


@pytest.mark.parametrize(
    ("odd", "message"),
    [(FRAMES[0, :9], r"shape \(9, 24\)"), (FRAMES[0].astype("uint8"), "dtype uint8")],
)
@pytest.mark.parametrize("suffix", ["tif", "png"])
def test_unlike_frames_are_named_when_opened(tmp_path, odd, message, suffix):
    for t, frame in enumerate([FRAMES[0], FRAMES[1], odd, FRAMES[2]]):
        Image.fromarray(frame).save(tmp_path / f"t{t}.{suffix}")
    with pytest.raises(ValueError, match=f"t2.{suffix}' in .* has {message}"):
        read_stack(tmp_path)


def test_a_folder_without_images_is_named(tmp_path):
    (tmp_path / "01").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no TIFF or PNG file .* has the folders '01'"):
        read_stack(tmp_path)


def test_a_frame_cut_short_or_empty_is_named(tmp_path):
    for t, frame in enumerate(FRAMES):
        write(tmp_path / f"t{t}.tif", frame)
    (tmp_path / "t4.tif").write_bytes((tmp_path / "t4.tif").read_bytes()[:-50])
    with pytest.raises(ValueError, match="t4.tif' is cut short"):
        read_stack(tmp_path)
    (tmp_path / "t4.tif").write_bytes(b"")
    with pytest.raises(ValueError, match="t4.tif' is an empty file"):
        read_stack(tmp_path)


def test_a_folder_of_movies_is_not_one_movie(tmp_path):
    for field in range(3):
        write(tmp_path / f"field{field}.tif", FRAMES, "TYX")
    with pytest.raises(ValueError, match="several of it .*TTYX.*; open the files one by one"):
        read_stack(tmp_path)


# HDF5 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["tzyxc", "tyxc", "cyxt"])
def test_ilastiks_hdf5_says_its_axes(tmp_path, order):
    five = MOVIE[:, :, np.newaxis]
    kept = [a for a in "tczyx" if a in order]
    pixels = (five if "z" in order else MOVIE).transpose([kept.index(a) for a in order])
    stack = read_stack(ilastik_file(tmp_path / "a.h5", pixels, order))
    assert_holds(stack, MOVIE)
    assert stack.pixel_size is None
    assert len(pickle.dumps(stack)) < 2000
    assert_holds(pickle.loads(pickle.dumps(stack)), MOVIE)


def test_ilastiks_hdf5_says_its_pixel_size(tmp_path):
    path = ilastik_file(tmp_path / "a.h5", FRAMES, "tyx", units="nm", resolution=650)
    assert read_stack(path).pixel_size == pytest.approx(0.65)


def test_hdf5_without_axes_needs_them(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["frames"] = FRAMES
        file["times"] = np.arange(6)
    with pytest.raises(ValueError, match="axes='TYX'"):
        read_stack(tmp_path / "a.h5")
    assert_holds(read_stack(tmp_path / "a.h5", axes="TYX"), FRAMES)


def test_one_of_several_datasets_is_chosen_not_guessed(tmp_path):
    path = ilastik_file(tmp_path / "a.h5", FRAMES, "tyx", name="one/raw")
    ilastik_file(path, FRAMES + 1, "tyx", name="two")
    with pytest.raises(ValueError, match="several: 'one/raw', 'two'; choose with dataset="):
        read_stack(path)
    assert_holds(read_stack(path, dataset="/one/raw"), FRAMES)
    with pytest.raises(ValueError, match="no image 'three'; it has 'one/raw', 'two'"):
        read_stack(path, dataset="three")
    ilastik_file(path, FRAMES + 2, "tyx")
    assert_holds(read_stack(path), FRAMES + 2)


def test_hdf5_cut_short_or_without_images(tmp_path):
    path = ilastik_file(tmp_path / "a.h5", FRAMES, "tyx")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="a.h5' is not a readable HDF5 file"):
        read_stack(path)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["times"] = np.arange(6)
    with pytest.raises(ValueError, match="expected one image in .*b.h5', found 0"):
        read_stack(tmp_path / "b.h5")


# OME-Zarr -------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", ["tcyx", "tczyx"])
def test_ome_zarr_is_read_at_full_resolution(tmp_path, axes, version):
    pixels = MOVIE if axes == "tcyx" else MOVIE[:, :, np.newaxis]
    stack = read_stack(zarr_image(tmp_path / "A1.ome.zarr", pixels, axes, version=version))
    assert_holds(stack, MOVIE)
    assert stack.name == "A1"
    assert stack.pixel_size == pytest.approx(0.5)
    assert len(pickle.dumps(stack)) < 2000
    assert_holds(pickle.loads(pickle.dumps(stack)), MOVIE)


def test_units_of_ome_zarr(tmp_path):
    path = zarr_image(tmp_path / "a.zarr", FRAMES, "tyx", unit="nanometer", scale=650)
    assert read_stack(path).pixel_size == pytest.approx(0.65)
    path = zarr_image(tmp_path / "b.zarr", FRAMES, "tyx", unit=None)
    assert read_stack(path).pixel_size is None


def test_images_inside_of_a_zarr_folder_are_listed(tmp_path):
    zarr = pytest.importorskip("zarr")
    zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=3)
    zarr_image(tmp_path / "a.zarr" / "0", FRAMES, "tyx")
    with pytest.raises(ValueError, match="no multiscales.*inside of it are '0'"):
        read_stack(tmp_path / "a.zarr")
    stack = read_stack(tmp_path / "a.zarr" / "0")
    assert_holds(stack, FRAMES)
    assert stack.name == "a/0"
    zarr.open_group(
        tmp_path / "p.zarr", mode="w", attributes={"ome": {"plate": {}, "version": "0.5"}}
    )
    with pytest.raises(ValueError, match="is a plate or a well"):
        read_stack(tmp_path / "p.zarr")


def test_a_bare_zarr_array(tmp_path):
    zarr = pytest.importorskip("zarr")
    array = zarr.create_array(tmp_path / "a.zarr", data=FRAMES, dimension_names=["t", "y", "x"])
    assert_holds(read_stack(tmp_path / "a.zarr"), FRAMES)
    del array
    zarr.create_array(tmp_path / "b.zarr", data=FRAMES)
    with pytest.raises(ValueError, match="axes='TYX'"):
        read_stack(tmp_path / "b.zarr")
    assert_holds(read_stack(tmp_path / "b.zarr", axes="TYX"), FRAMES)


def test_a_damaged_chunk_is_named_when_read(tmp_path):
    path = zarr_image(tmp_path / "a.zarr", FRAMES, "tyx")
    for chunk in path.rglob("c/*/*/*"):
        chunk.write_bytes(chunk.read_bytes()[:9])
    stack = read_stack(path)
    with pytest.raises(ValueError, match="a.zarr' cannot be read"):
        stack[0]


def test_without_zarr_the_message_says_what_to_install(tmp_path, monkeypatch):
    path = zarr_image(tmp_path / "a.zarr", FRAMES, "tyx")
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    with pytest.raises(ImportError, match=re.escape('pip install "sklearn-cellfate[zarr]"')):
        read_stack(path)


# Chunks over several frames -------------------------------------------------------------------


def read_and_count(monkeypatch, stack):
    """Count the chunked reads of a whole pass over a stack."""
    reads = []
    source = type(stack._planes)
    read = source._read
    monkeypatch.setattr(
        source, "_read", lambda planes, index: reads.append(index) or read(planes, index)
    )
    np.testing.assert_array_equal(np.asarray(stack), MOVIE)
    return len(reads)


@pytest.mark.parametrize("order", ["tcyx", "cyxt", "yxtc"])
def test_chunks_of_several_frames_are_decompressed_once(tmp_path, order, monkeypatch):
    stored = MOVIE.transpose(["tcyx".index(a) for a in order])
    chunks = tuple({"t": 4, "c": 1, "y": 20, "x": 5}[a] for a in order)
    options = {"chunks": chunks, "compression": "gzip"}
    stack = read_stack(ilastik_file(tmp_path / "a.h5", stored, order, **options))
    assert read_and_count(monkeypatch, stack) == 2
    assert len(pickle.dumps(stack)) < 2000


def test_zarr_chunks_of_several_frames_are_decompressed_once(tmp_path, monkeypatch):
    zarr = pytest.importorskip("zarr")
    options = {"chunks": (3, 1, 20, 24), "dimension_names": list("tcyx")}
    zarr.create_array(tmp_path / "a.zarr", data=MOVIE, **options)
    assert read_and_count(monkeypatch, read_stack(tmp_path / "a.zarr")) == 2


def test_chunks_too_large_to_keep_are_read_frame_by_frame(tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn_cellfate.io._planes.LARGEST_KEPT_BLOCK", MOVIE[:4].nbytes - 1)
    path = ilastik_file(tmp_path / "a.h5", MOVIE, "tcyx", chunks=(4, 2, 20, 24))
    assert read_and_count(monkeypatch, read_stack(path)) == 6


# Arrays ---------------------------------------------------------------------------------------


def test_arrays_are_stacks():
    assert_holds(as_stack(MOVIE), MOVIE)
    assert_holds(as_stack(FRAMES), FRAMES)
    assert_holds(as_stack(FRAMES.astype(">u2")), FRAMES)
    assert_holds(as_stack(FRAMES.tolist()), FRAMES.astype(np.int64))
    assert as_stack(FRAMES, name="A1").name == "A1"
    stack = as_stack(MOVIE)
    assert as_stack(stack) is stack
    assert as_stack(stack, name="B2").name == "B2"


def test_dask_arrays_are_computed_frame_by_frame():
    da = pytest.importorskip("dask.array")
    computed = []

    def frame(block_info=None):
        t = block_info[None]["chunk-location"][0]
        computed.append(t)
        return MOVIE[t : t + 1]

    lazy = da.map_blocks(frame, chunks=((1,) * 6, 2, 20, 24), dtype=MOVIE.dtype, meta=MOVIE[:0])
    stack = as_stack(lazy)
    np.testing.assert_array_equal(stack[4], MOVIE[4])
    assert computed == [4]
    assert_holds(stack, MOVIE)


def test_frames_are_taken_by_number():
    stack = as_stack(MOVIE)
    assert len(stack) == 6
    assert [frame[0, 0, 0] for frame in stack] == list(FRAMES[:, 0, 0])
    np.testing.assert_array_equal(stack[np.int64(2)], MOVIE[2])
    for t in [6, -7]:
        with pytest.raises(IndexError, match=f"frame {t} of a stack of 6"):
            stack[t]
    for t in [slice(2), "a", (1, 2), 1.0]:
        with pytest.raises(TypeError, match="one frame at a time"):
            stack[t]


def test_what_is_no_movie_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"shape \(20, 24\) is neither"):
        as_stack(FRAMES[0])
    with pytest.raises(ValueError, match="is empty"):
        as_stack(FRAMES[:0])
    with pytest.raises(TypeError, match="dtype complex128"):
        as_stack(FRAMES.astype(complex))
    with pytest.raises(TypeError, match="found a path: read_stack"):
        as_stack(tmp_path / "a.tif")


# Real data ------------------------------------------------------------------------------------


def test_the_real_movie(shared_data):
    stack = read_stack(shared_data / "t98g_time_lapse" / "phase.tif")
    assert stack.shape == (37, 1, 1022, 1024)
    assert stack.dtype == np.uint16
    with tifffile.TiffFile(shared_data / "t98g_time_lapse" / "phase.tif") as file:
        np.testing.assert_array_equal(stack[30][0], file.pages[30].asarray())
