"""MaskBackground, LargestObject and CenterObject: drawn shapes, symmetries, any container."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.filters import threshold_li, threshold_otsu
from skimage.measure import label
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_cellfate import image_column, movie_column, to_images, to_movies
from sklearn_cellfate.preprocessing import CenterObject, FRETRatio, LargestObject, MaskBackground
from sklearn_cellfate.preprocessing._symmetries import apply_symmetry

ALL = [MaskBackground(), LargestObject(), CenterObject()]
EACH = pytest.mark.parametrize("transformer", ALL, ids=lambda t: type(t).__name__)


@parametrize_with_checks(
    [
        *ALL,
        MaskBackground(threshold="li", channel=-1),
        MaskBackground(threshold=0.5),
        LargestObject(0, connectivity=1),
        CenterObject(0, by="bounding_box"),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def draw(picture, **values):
    """Turn lines of text into pixels: a letter is its value, or 1; a dot is 0."""
    lines = picture.split()
    return np.array([[0 if c == "." else values.get(c, 1) for c in line] for line in lines])


def blobs(seed, size=9, density=0.45, n=6):
    """Random masks with objects of all kinds, as images of two channels."""
    inside = np.random.default_rng(seed).random((n, 1, size, size)) < density
    return inside * np.random.default_rng(seed + 1).integers(1, 9, (n, 2, size, size))


# MaskBackground -------------------------------------------------------------------------------


def test_a_mask_channel_masks_the_others_and_leaves():
    cfp, yfp = draw("ab cd", a=1, b=2, c=3, d=4), draw("ab cd", a=5, b=6, c=7, d=8)
    mask = draw(".x x.")
    expected = [draw(".b c.", b=2, c=3), draw(".b c.", b=6, c=7)]
    for position in (-1, 2):
        crop = np.stack([cfp, yfp, mask])[np.newaxis]
        np.testing.assert_array_equal(
            MaskBackground(position).fit_transform(crop), np.stack(expected)[np.newaxis]
        )
    first = np.stack([mask * 255, cfp, yfp])[np.newaxis]
    np.testing.assert_array_equal(MaskBackground(0).fit_transform(first)[0], expected)


def test_pixels_inside_stay_as_they_are_even_dark_ones():
    crop = np.array([[[[0, -3, 7]], [[1, 1, 0]]]])
    np.testing.assert_array_equal(MaskBackground(-1).fit_transform(crop), [[[[0, -3, 0]]]])


def test_a_number_is_a_threshold_in_the_unit_of_x():
    crop = np.array([[[[1, 2, 3]], [[3, 2, 2]]]])
    on_sum = MaskBackground(threshold=4).fit_transform(crop)
    np.testing.assert_array_equal(on_sum, [[[[0, 0, 3]], [[0, 0, 2]]]])
    on_second = MaskBackground(threshold=2, channel=1).fit_transform(crop)
    np.testing.assert_array_equal(on_second, [[[[1, 0, 0]], [[3, 0, 0]]]])
    on_last = MaskBackground(threshold=2, channel=-1).fit_transform(crop)
    np.testing.assert_array_equal(on_last, on_second)


@pytest.mark.parametrize("threshold", ["otsu", "li"])
def test_a_threshold_of_each_image_finds_a_bright_nucleus(threshold):
    rng = np.random.default_rng(0)
    nucleus = draw("....... ..xxx.. .xxxxx. .xxxxx. ..xxx.. .......").astype(bool)
    crops = 100 * nucleus + rng.normal(20, 2, (5, 2, 6, 7))
    crops *= np.array([1, 3, 10, 50, 0.2])[:, None, None, None]  # each in its own brightness
    masked = MaskBackground(threshold=threshold).fit_transform(crops)
    np.testing.assert_array_equal(masked > 0, np.broadcast_to(nucleus, masked.shape))
    np.testing.assert_array_equal(masked, np.where(nucleus, crops.astype(np.float32), 0))


def test_li_keeps_more_of_a_dim_object_than_otsu():
    pixels = np.array([[[1, 2, 1, 2, 30, 35, 30, 100, 110]]])
    kept = [
        np.count_nonzero(MaskBackground(threshold=name).fit_transform(pixels))
        for name in ("otsu", "li")
    ]
    assert kept == [2, 5]


def test_a_saturated_pixel_does_not_hide_the_object():
    crop = draw(".... .xx. .xx. ....", x=40)[np.newaxis] + 10
    crop[0, 0, 0] = 200
    with_hot = MaskBackground(threshold="li").fit_transform(crop)
    np.testing.assert_array_equal(with_hot[0, 1:3, 1:3] > 0, True)
    assert np.count_nonzero(with_hot) == 5


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**16))
def test_otsu_agrees_with_scikit_image(seed):
    rng = np.random.default_rng(seed)
    # Of whole numbers, scikit-image has one bin each, so its histogram loses nothing.
    crops = rng.poisson(rng.gamma(1, 20, (4, 1, 6, 7))).astype(np.uint8)
    masked = MaskBackground().fit_transform(crops.astype(float))
    for crop, result in zip(crops[:, 0], masked[:, 0]):
        if crop.min() < crop.max():
            expected = np.where(crop > threshold_otsu(crop), crop, 0)
            np.testing.assert_array_equal(result, expected)


def cross_entropy(crop, inside):
    """Li and Lee's criterion, written out: the least is best. Pixels count from 0 up."""
    crop = crop.astype(float) - crop.min()
    model = np.where(inside, crop[inside].mean(), crop[~inside].mean())
    lit = crop > 0
    return np.sum(crop[lit] * np.log(crop[lit] / model[lit]))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**16))
def test_li_is_never_worse_than_scikit_images_search(seed):
    rng = np.random.default_rng(seed)
    crops = rng.gamma(1, 20, (4, 6, 7)).astype(np.float32) + 5
    masked = MaskBackground(threshold="li").fit_transform(crops)
    for crop, result in zip(crops, masked):
        found = cross_entropy(crop, result > 0)
        assert found <= cross_entropy(crop, crop > threshold_li(crop)) * (1 + 1e-9)


def test_images_without_an_object_become_background_and_are_counted():
    crops = np.zeros((3, 2, 4, 4)) + 7
    crops[0, 0, 1, 1] = 9
    for threshold in ("otsu", "li", 15):
        masker = MaskBackground(threshold=threshold).fit(crops)
        with pytest.warns(UserWarning, match="2 of 3 images have no object") as warned:
            masked = masker.transform(crops)
        assert warned[0].filename == __file__
        assert np.count_nonzero(masked) == 2 and not masked[1:].any()
    crops[:, 1] = 0
    with pytest.warns(UserWarning, match="3 of 3 images"):
        assert not MaskBackground(-1).fit_transform(crops).any()


def test_rows_lose_the_pixels_of_the_mask_and_their_names():
    rows = pd.DataFrame(np.arange(1.0, 13).reshape(2, 6), columns=list("abcdef"))
    masker = MaskBackground(1, image_shape=(3, 1, 2)).set_output(transform="pandas")
    masked = masker.fit_transform(rows)
    assert list(masked) == list("abef") == masker.get_feature_names_out().tolist()
    np.testing.assert_array_equal(masked, rows[list("abef")])


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ({"mask_channel": 2}, "mask_channel=2 is no channel of X, which has 2 channels of 9 x 9"),
        ({"mask_channel": -3}, "mask_channel=-3 is no channel"),
        ({"channel": 2}, "channel=2 is no channel of X"),
        ({"threshold": "yen"}, "'threshold' parameter"),
        ({"mask_channel": 0.5}, "'mask_channel' parameter"),
    ],
)
def test_mask_background_names_what_is_not_there(parameter, message):
    with pytest.raises(ValueError) as error:
        MaskBackground(**parameter).fit(blobs(0))
    assert message in str(error.value)


def test_a_mask_alone_is_no_image():
    with pytest.raises(ValueError, match="mask_channel=-1 leaves no other channel"):
        MaskBackground(-1).fit(blobs(0)[:, :1])


# LargestObject --------------------------------------------------------------------------------


def test_debris_goes_from_all_channels_alike():
    cfp = draw(".....a  ..nn..  nnn..b  .nn...", a=9, b=9, n=2)
    yfp = draw("a....a  ..n...  nn.n.b  .nnn..", a=9, b=9, n=3)  # the object is where either is
    expected = [draw("...... ..nn.. nnn... .nn...", n=2), draw("...... ..n... nn.n.. .nnn..", n=3)]
    result = LargestObject().fit_transform(np.stack([cfp, yfp])[np.newaxis])
    np.testing.assert_array_equal(result[0], expected)


def test_corners_connect_or_not():
    crop = draw("aa.. aa.. ..b. ...b")[np.newaxis]
    np.testing.assert_array_equal(LargestObject().fit_transform(crop), crop)
    np.testing.assert_array_equal(
        LargestObject(connectivity=1).fit_transform(crop)[0], draw("aa.. aa.. .... ....")
    )


def test_objects_of_neighbouring_images_are_not_connected():
    images = np.stack([draw("aaa ... bb."), draw("a.. ... bb.")])
    expected = np.stack([draw("aaa ... ..."), draw("... ... bb.")])
    np.testing.assert_array_equal(LargestObject().fit_transform(images), expected)


def test_of_equal_objects_the_one_nearest_to_the_centre_stays_then_the_first():
    near = draw("aa... ..... ..bb. ..... cc...")
    np.testing.assert_array_equal(
        LargestObject().fit_transform(near[np.newaxis])[0],
        draw("..... ..... ..bb. ..... ....."),
    )
    alike = draw("a.b ... c.d")
    np.testing.assert_array_equal(
        LargestObject().fit_transform(alike[np.newaxis])[0], draw("a.. ... ...")
    )


def test_a_mask_channel_is_cleaned_and_stays():
    raw = np.arange(1, 13).reshape(3, 4)
    mask = draw("xx.. xx.. ...x")
    result = LargestObject(mask_channel=-1).fit_transform(np.stack([raw, mask])[np.newaxis])
    kept = draw("xx.. xx.. ....")
    np.testing.assert_array_equal(result[0], [raw * kept, kept])


def test_an_image_without_an_object_is_not_changed():
    dark = np.array([[[-2.0, 0.0], [0.0, -1.0]]])
    np.testing.assert_array_equal(LargestObject().fit_transform(dark), dark)
    raw = np.stack([np.full((3, 3), 5.0), np.zeros((3, 3))])[np.newaxis]
    np.testing.assert_array_equal(LargestObject(-1).fit_transform(raw), raw)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**16), st.sampled_from([1, 2]), st.floats(0, 1))
def test_largest_object_agrees_with_scikit_image_one_crop_at_a_time(seed, connectivity, density):
    images = blobs(seed, density=density)
    result = LargestObject(connectivity=connectivity).fit_transform(images)
    for image, kept in zip(images, result):
        labels = label(image[0] > 0, connectivity=connectivity)
        areas = np.bincount(labels.ravel())[1:]
        assert np.count_nonzero(kept[0]) == areas.max(initial=0)
        assert len(np.unique(labels[kept[0] > 0])) == (len(areas) > 0), "one object, whole"
        np.testing.assert_array_equal(kept, image * (kept[:1] > 0))


# CenterObject ---------------------------------------------------------------------------------


def test_the_object_comes_to_the_centre_in_all_channels_alike():
    cfp, yfp = draw("ab. cd. ... ... ...", a=1, b=2, c=3, d=4), draw("... ... ... ... ..x", x=9)
    result = CenterObject(mask_channel=0).fit_transform(np.stack([cfp, yfp])[np.newaxis])
    # The centroid is (0.5, 0.5), the centre (2, 1): one and a half pixels down are two (even),
    # half a pixel to the right is none. So the bright pixel of YFP leaves.
    np.testing.assert_array_equal(
        result[0], [draw("... ... ab. cd. ...", a=1, b=2, c=3, d=4), np.zeros((5, 3))]
    )


def test_centroid_and_bounding_box_differ_by_a_protrusion():
    crop = draw("xxx..... xxxxxx.. xxx..... ........ ........")[np.newaxis]
    by_centroid = CenterObject().fit_transform(crop)[0]
    np.testing.assert_array_equal(
        by_centroid, draw("........ ..xxx... ..xxxxxx ..xxx... ........")
    )
    by_box = CenterObject(by="bounding_box").fit_transform(crop)[0]
    np.testing.assert_array_equal(by_box, draw("........ .xxx.... .xxxxxx. .xxx.... ........"))


def test_brightness_does_not_pull_the_centre():
    crop = draw("xxA.. xxA.. xxA..", x=1, A=1000)[np.newaxis]
    expected = draw(".xxA. .xxA. .xxA.", x=1, A=1000)
    np.testing.assert_array_equal(CenterObject().fit_transform(crop)[0], expected)


def test_pixels_of_objects_that_leave_are_counted():
    crops = np.stack([draw("xxx...y xxx.... xxx...."), draw("....... ...x... .......")])
    centerer = CenterObject().fit(crops)
    with pytest.warns(UserWarning, match="1 of 11 pixels of objects were pushed") as warned:
        result = centerer.transform(crops)
    assert warned[0].filename == __file__ and result.sum() == 10
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        boxed = CenterObject(by="bounding_box").fit_transform(crops)
    assert boxed.sum() == 11


def test_background_that_leaves_is_no_object_and_no_warning():
    raw = np.full((1, 5, 5), 7.0)
    mask = np.zeros((1, 5, 5))
    mask[0, 0, 0] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        moved = CenterObject(-1).fit_transform(np.stack([raw, mask], axis=1))
    np.testing.assert_array_equal(
        moved[0],
        [draw("..... ..... ..xxx ..xxx ..xxx", x=7), draw("..... ..... ..x.. ..... .....")],
    )


def test_an_image_without_an_object_is_not_moved():
    dark = np.array([[[-2.0, 0.0, 0.0]]])
    for by in ("centroid", "bounding_box"):
        np.testing.assert_array_equal(CenterObject(by=by).fit_transform(dark), dark)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**16), st.sampled_from(["centroid", "bounding_box"]))
def test_after_centering_the_object_is_within_half_a_pixel_of_the_centre(seed, by):
    images = LargestObject().fit_transform(blobs(seed, size=12, density=0.3))
    result = CenterObject(by=by).fit(images)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = result.transform(images)
    for image, moved in zip(images[:, 0] > 0, result[:, 0] > 0):
        if moved.sum() < image.sum():
            continue  # pushed out in part
        if by == "centroid":
            middle = ndimage.center_of_mass(moved)
        else:
            middle = [(s.start + s.stop - 1) / 2 for s in ndimage.find_objects(moved * 1)[0]]
        assert np.all(np.abs(np.array(middle) - 5.5) <= 0.5 + 1e-9)


# Laws of both ---------------------------------------------------------------------------------


def lossless(transformer, images):
    """Transform; give up on examples where the centroid pushes pixels out."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return clone(transformer).fit_transform(images)
        except UserWarning:
            assume(False)


LAWFUL = st.sampled_from(
    [
        LargestObject(),
        LargestObject(connectivity=1),
        LargestObject(0),
        CenterObject(),
        CenterObject(by="bounding_box"),
        CenterObject(0, by="bounding_box"),
    ]
)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**16), LAWFUL, st.floats(0, 0.6))
def test_twice_is_once(seed, transformer, density):
    once = lossless(transformer, blobs(seed, density=density, n=2))
    np.testing.assert_array_equal(clone(transformer).fit_transform(once), once)


def has_a_tie(image, connectivity):
    """Whether two objects are largest and as near to the centre."""
    labels = label(image[0] > 0, connectivity=connectivity)
    y, x = np.mgrid[: labels.shape[0], : labels.shape[1]] * 2 - (labels.shape[0] - 1)
    ranks = [
        (-np.sum(labels == i), np.sum((y**2 + x**2)[labels == i]))
        for i in range(1, labels.max() + 1)
    ]
    return len(ranks) > 1 and ranks.count(min(ranks)) > 1


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**16), LAWFUL, st.integers(0, 7), st.floats(0.05, 0.6))
def test_the_symmetries_of_the_square_commute(seed, transformer, number, density):
    images = blobs(seed, density=density, n=1)
    if isinstance(transformer, LargestObject):
        assume(not has_a_tie(images[0], transformer.connectivity))
    then = apply_symmetry(lossless(transformer, images), number)
    first = clone(transformer).fit_transform(np.ascontiguousarray(apply_symmetry(images, number)))
    np.testing.assert_array_equal(first, then)


# All: containers, composition, bad input ------------------------------------------------------

CROPS = blobs(7, size=8, n=4).astype("uint16")


@EACH
def test_every_container_gives_the_same_pixels_in_the_same_container(transformer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        expected = clone(transformer).fit_transform(CROPS)
        assert expected.dtype == np.float32 and expected.shape == CROPS.shape
        table = pd.DataFrame(
            {"drug": list("abab"), "image": image_column(CROPS)}, index=list("wxyz")
        )
        of_table = clone(transformer).fit_transform(table)
        rows = clone(transformer).set_params(image_shape=(2, 8, 8))
        of_rows = rows.fit_transform(CROPS.reshape(4, -1))
        of_frames = clone(transformer).fit_transform(
            pd.DataFrame({"movie": movie_column([CROPS[:3], CROPS[:0], CROPS[3:]])})
        )
        pandas = clone(transformer).set_output(transform="pandas")
        of_stack = pandas.fit_transform(CROPS)
    assert list(of_table) == ["drug", "image"] and of_table.index.equals(table.index)
    np.testing.assert_array_equal(to_images(of_table), expected)
    np.testing.assert_array_equal(of_rows, expected.reshape(4, -1))
    assert len(rows.get_feature_names_out()) == of_rows.shape[1]
    assert [len(movie) for movie in to_movies(of_frames)] == [3, 0, 1]
    np.testing.assert_array_equal(np.concatenate(to_movies(of_frames)), expected)
    assert list(of_stack) == ["image"] == pandas.get_feature_names_out().tolist()
    np.testing.assert_array_equal(to_images(of_stack), expected)
    assert to_images(table).dtype == np.uint16, "the input is left alone"


@EACH
def test_a_row_is_treated_alike_in_any_company(transformer):
    images = blobs(3, n=30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        fitted = clone(transformer).fit(images[:2])
        together = fitted.transform(images)
        alone = np.concatenate([fitted.transform(image[np.newaxis]) for image in images])
    np.testing.assert_array_equal(together, alone)


def test_the_steps_of_the_study_in_a_pipeline_with_the_mask_in_the_movie():
    crop = np.zeros((2, 3, 9, 9))
    crop[:, :2] = 50  # background of a camera
    crop[:, 0, 1:4, 1:5], crop[:, 1, 1:4, 1:5] = 300, 100
    crop[:, 2, 1:4, 1:5] = 1
    crop[:, :2, 8, 8], crop[:, 2, 8, 8] = 900, 1  # debris within the mask
    table = pd.DataFrame({"movie": movie_column([crop])})
    pipeline = make_pipeline(
        LargestObject(-1), CenterObject(-1), MaskBackground(-1), FRETRatio()
    ).set_output(transform="pandas")
    ratio = to_movies(pipeline.fit_transform(table))[0]
    expected = np.zeros((2, 1, 9, 9))
    expected[:, 0, 3:6, 3:7] = 3  # 1.5 pixels to the right are 2
    np.testing.assert_array_equal(ratio, expected)
    again = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_array_equal(to_movies(again.transform(table))[0], expected)


@EACH
def test_images_other_than_in_fit_are_refused(transformer):
    fitted = clone(transformer).fit(CROPS)
    with pytest.raises(ValueError, match=r"has images with 1 channel .* fitted on .* 2 channels"):
        fitted.transform(CROPS[:, :1])
    with pytest.raises(
        ValueError, match="mask_channel=4 is no channel of X, which has 2 channels"
    ):
        clone(transformer).set_params(mask_channel=4).fit(CROPS)


@pytest.mark.parametrize(
    ("transformer", "parameter"),
    [(LargestObject(connectivity=3), "connectivity"), (CenterObject(by="mass"), "by")],
)
def test_parameters_are_checked(transformer, parameter):
    with pytest.raises(ValueError, match=f"'{parameter}' parameter"):
        transformer.fit(CROPS)
