"""read_labels: numbers of objects from every format, and what is no label image is refused."""

import pickle
import warnings

import numpy as np
import pytest
import tifffile
from microscope_files import ilastik_file, write, zarr_image
from skimage.measure import label

from sklearn_cellfate.io import as_labels, as_stack, read_labels

# Two cells that move; cell 300 does not fit into a byte.
LABELS = np.zeros((5, 20, 24), np.uint16)
for t in range(5):
    LABELS[t, 2:6, 2 + t : 7 + t] = 300
    LABELS[t, 10:15, 12 - t : 16 - t] = 2


def assert_holds(stack, labels=LABELS, dtype=None):
    assert stack.shape == (len(labels), 1, *labels.shape[-2:])
    assert stack.dtype == (dtype or labels.dtype)
    np.testing.assert_array_equal(np.asarray(stack)[:, 0], labels)


@pytest.mark.parametrize("dtype", ["uint16", "int32", "uint32", "int64", "uint64", ">u2"])
def test_integers_stay_as_they_are(tmp_path, dtype):
    labels = LABELS.astype(dtype)
    byteorder = ">" if dtype == ">u2" else "<"
    path = write(tmp_path / "masks.tif", labels, "TYX", byteorder=byteorder)
    stack = read_labels(path)
    assert_holds(stack, LABELS, np.dtype(dtype).newbyteorder("="))
    assert stack.name == "masks"
    assert read_labels(path, name="A1").name == "A1"


def test_pages_that_do_not_say_that_they_are_frames_are_not_guessed(tmp_path):
    path = write(tmp_path / "masks.tif", LABELS)
    with pytest.raises(ValueError, match="axes='TYX'"):
        read_labels(path)
    assert_holds(read_labels(path, axes="TYX"))


@pytest.mark.parametrize("dtype", ["uint32", "float32"])
def test_ilastiks_exports(tmp_path, dtype):
    five = LABELS[:, np.newaxis, np.newaxis].astype(dtype)  # t z c y x
    tiff = write(tmp_path / "a.tiff", five, "TZCYX", ome=True, software="ilastik")
    assert_holds(read_labels(tiff), dtype=read_labels(tiff).dtype)
    hdf5 = ilastik_file(tmp_path / "a.h5", five.transpose(0, 1, 3, 4, 2), "tzyxc")
    assert_holds(read_labels(hdf5), dtype=np.int64 if dtype == "float32" else np.uint32)


def test_ome_zarr(tmp_path):
    assert_holds(read_labels(zarr_image(tmp_path / "a.zarr", LABELS, "tyx")))


@pytest.mark.parametrize(
    ("folder", "name", "digits"),
    [("01_RES", "mask", 3), ("01_GT/TRA", "man_track", 3), ("02_ST/SEG", "man_seg", 4)],
)
def test_folders_of_the_cell_tracking_challenge(tmp_path, folder, name, digits):
    inside = tmp_path / folder
    inside.mkdir(parents=True)
    for t, frame in enumerate(LABELS):
        write(inside / f"{name}{t:0{digits}}.tif", frame)
    (inside / "man_track.txt").write_text("300 0 4 0\n2 0 4 0\n")
    assert_holds(read_labels(inside))
    assert_holds(read_labels(tmp_path / folder.split("/")[0]))


def test_tracking_comes_before_segmentation(tmp_path):
    for folder, factor in [("SEG", 3), ("TRA", 1)]:
        (tmp_path / "01_GT" / folder).mkdir(parents=True)
        for t, frame in enumerate(LABELS):
            write(tmp_path / "01_GT" / folder / f"man_{t:03}.tif", frame * factor)
    assert_holds(read_labels(tmp_path / "01_GT"))
    assert_holds(read_labels(tmp_path / "01_GT" / "SEG"), LABELS * 3)


def test_gold_truth_of_a_few_frames_says_which_are_missing(tmp_path):
    for t in [0, 3]:
        write(tmp_path / f"man_seg{t:03}.tif", LABELS[t])
    with pytest.raises(ValueError, match="lacks 2 of the files .* first number 1, 2"):
        read_labels(tmp_path)


def test_whole_numbers_stored_as_floats_are_labels(tmp_path):
    path = write(tmp_path / "a.tif", LABELS.astype(np.float32), "TYX")
    labels = read_labels(path)
    assert_holds(labels, dtype=np.int64)
    assert_holds(pickle.loads(pickle.dumps(labels)), dtype=np.int64)
    assert len(pickle.dumps(labels)) < 2000


@pytest.mark.parametrize(
    ("dtype", "value", "message"),
    [
        ("float32", 2.5, "holds 2.5, and labels are whole numbers"),
        ("float64", np.nan, "holds nan, and labels are whole numbers"),
        ("float64", 1e20, r"holds 1e\+20, too large"),
        ("float32", np.inf, "holds inf"),
        ("float32", -1, "holds -1, and labels are not negative"),
        ("int16", -1, "holds -1, and labels are not negative"),
    ],
)
def test_a_frame_of_other_numbers_is_named_when_read(tmp_path, dtype, value, message):
    labels = LABELS.astype(dtype)
    labels[3, 0, 0] = value
    stack = read_labels(write(tmp_path / "a.tif", labels, "TYX"))
    np.testing.assert_array_equal(stack[2][0], LABELS[2])
    with pytest.raises(ValueError, match=f"frame 3 of .*a.tif' {message}"):
        stack[3]


def test_more_than_one_channel_is_refused(tmp_path):
    path = write(tmp_path / "a.tif", np.stack([LABELS, LABELS], axis=1), "TCYX")
    with pytest.raises(ValueError, match="a.tif' has 2 channels, and a label image has one"):
        read_labels(path)
    colours = np.zeros((5, 20, 24, 3), np.uint8)
    path = write(tmp_path / "b.tif", colours, "TYXS", photometric="rgb")
    with pytest.raises(ValueError, match="has 3 channels.*in colours"):
        read_labels(path)


@pytest.mark.parametrize("mask", [LABELS > 0, (LABELS > 0) * np.uint8(255), (LABELS > 0) * 1.0])
def test_masks_are_refused_unless_they_are_to_be_numbered(tmp_path, mask):
    path = write(tmp_path / "a.tif", mask, "TYX")
    with pytest.raises(ValueError, match=r"a.tif' .*masks.*binary=True.*skimage\.measure\.label"):
        read_labels(path)
    numbered = read_labels(path, binary=True)
    assert_holds(numbered, np.stack([label(frame > 0) for frame in LABELS]), np.int64)
    assert np.unique(numbered[4]).tolist() == [0, 1, 2]


def test_masks_are_known_by_the_first_frame_with_several_objects(tmp_path):
    mask = (LABELS > 0) * np.uint8(255)
    mask[0], mask[1] = 0, (LABELS[1] == 2) * np.uint8(255)
    with pytest.raises(ValueError, match="several objects of its frame 2 all have the value 255"):
        read_labels(write(tmp_path / "a.tif", mask, "TYX"))
    labels = LABELS.copy()
    labels[0], labels[1] = 0, (LABELS[1] == 2) * np.uint8(255)
    assert_holds(read_labels(write(tmp_path / "b.tif", labels, "TYX")), labels)


def test_objects_of_a_mask_touch_by_their_corners(tmp_path):
    path = write(tmp_path / "a.tif", np.eye(6, dtype=bool)[np.newaxis], "TYX")
    np.testing.assert_array_equal(read_labels(path, binary=True)[0][0], np.eye(6))


def test_one_cell_is_no_mask_and_one_cell_in_pieces_can_be_stated(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one = np.where(LABELS == 2, LABELS, 0)
        assert_holds(read_labels(write(tmp_path / "one.tif", one, "TYX")), one)
        none = LABELS * 0
        assert_holds(read_labels(write(tmp_path / "none.tif", none, "TYX")), none)
    pieces = (LABELS > 0).astype(np.uint8)
    path = write(tmp_path / "pieces.tif", pieces, "TYX")
    assert_holds(read_labels(path, binary=False), pieces)


def test_arrays_and_stacks_are_labels():
    assert_holds(as_labels(LABELS))
    assert_holds(as_labels(LABELS[:, np.newaxis].astype(float)), dtype=np.int64)
    assert_holds(as_labels(as_stack(LABELS)))
    assert as_labels(LABELS).name == "labels"
    assert as_labels(LABELS, name="A1").name == "A1"
    checked = as_labels(LABELS.astype(int))
    assert as_labels(checked) is checked
    with pytest.raises(ValueError, match="masks of True and False"):
        as_labels(LABELS > 0)
    with pytest.raises(ValueError, match="2 channels"):
        as_labels(np.stack([LABELS, LABELS], axis=1))


def test_the_real_labels(shared_data):
    path = shared_data / "t98g_time_lapse" / "labels.tif"
    labels = read_labels(path)
    assert labels.shape == (37, 1, 1022, 1024)
    assert labels.dtype == np.uint16
    with tifffile.TiffFile(path) as file:
        np.testing.assert_array_equal(labels[36][0], file.pages[36].asarray())
