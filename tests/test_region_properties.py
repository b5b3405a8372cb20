"""RegionProperties: what scikit-image gives by hand, crop by crop, in every container."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tifffile
from skimage.measure import label, regionprops
from skimage.measure._regionprops import RegionProperties as RegionProps
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_cellfate import image_column, movie_column, to_movies
from sklearn_cellfate.datasets import make_cell_movies
from sklearn_cellfate.feature_extraction import RegionProperties
from sklearn_cellfate.preprocessing import RelativeTimeSampler

# Every property of scikit-image that is a number or a fixed number of numbers.
NUMBERS = [
    *["area", "area_bbox", "area_convex", "area_filled", "axis_major_length", "axis_minor_length"],
    *["bbox", "centroid", "centroid_local", "centroid_weighted", "centroid_weighted_local"],
    *["eccentricity", "equivalent_diameter_area", "euler_number", "extent", "feret_diameter_max"],
    *["inertia_tensor", "inertia_tensor_eigvals", "intensity_max", "intensity_mean"],
    *["intensity_median", "intensity_min", "intensity_std", "moments", "moments_central"],
    *["moments_hu", "moments_normalized", "moments_weighted", "moments_weighted_central"],
    *["moments_weighted_hu", "moments_weighted_normalized", "num_pixels", "orientation"],
    *["perimeter", "perimeter_crofton", "solidity"],
]
if not hasattr(RegionProps, "intensity_median"):  # which scikit-image has from 0.26 on
    NUMBERS.remove("intensity_median")
THE_STUDYS = [
    *["intensity_mean_0", "intensity_mean_1", "intensity_std_0", "intensity_std_1"],
    *["fret_ratio", "intensity_sum", "axis_major_length", "axis_minor_length", "eccentricity"],
    *["equivalent_diameter_area", "perimeter", "area", "aspect_ratio"],
]


@parametrize_with_checks([RegionProperties(), RegionProperties(["area", "orientation"])])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def movies():
    """The cell table of few simulated nuclei."""
    return make_cell_movies(8, max_frames=6, random_state=0)


@pytest.fixture(scope="module")
def images(movies):
    """Nuclei on a background of 0: (n, 2, 20, 20), uint16."""
    return np.concatenate(to_movies(movies.frame))


def by_hand(image, name, mask=None, pixel_size=1.0):
    """One property of one crop, measured without any other image around."""
    mask = (image > 0).any(axis=0) if mask is None else mask
    spacing = 1.0 if name.endswith("_hu") else pixel_size
    region = regionprops(
        mask.astype(np.uint8),
        np.moveaxis(image, 0, -1).astype(np.float64),
        spacing=(spacing, spacing),
    )[0]
    return np.ravel(region[name])


# The same numbers -----------------------------------------------------------------------------


@pytest.mark.parametrize("pixel_size", [1.0, 0.65])
@pytest.mark.parametrize("name", NUMBERS)
def test_every_property_equals_scikit_image_called_for_each_crop(name, pixel_size, images):
    found = RegionProperties([name], pixel_size=pixel_size).fit_transform(images)
    expected = [by_hand(image, name, pixel_size=pixel_size) for image in images]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-9, equal_nan=True)


def test_the_default_is_the_studys_13_features(movies):
    first = np.stack([movie[0] for movie in to_movies(movies.frame)])
    measure = RegionProperties().fit(first)
    assert measure.get_feature_names_out().tolist() == THE_STUDYS
    cfp, cfp_sd, yfp, yfp_sd, *rest = movies.feature_names  # measured by the simulator
    expected = movies.frame[[cfp, yfp, cfp_sd, yfp_sd, *rest]]
    np.testing.assert_allclose(measure.transform(first), expected, rtol=1e-12)


def test_known_answers_on_a_rectangle():
    image = np.zeros((1, 2, 30, 40))
    image[0, 0, 5:15, 10:30] = 4
    image[0, 1, 5:15, 10:30] = 6
    table = RegionProperties(pixel_size=0.5).set_output(transform="pandas").fit_transform(image)
    row = table.loc[0]
    assert row["area"] == 200 * 0.5**2
    assert row["perimeter"] == (2 * 9 + 2 * 19) * 0.5  # between the centres of the outer pixels
    assert row["equivalent_diameter_area"] == pytest.approx(np.sqrt(4 * 50 / np.pi))
    assert (row["intensity_mean_0"], row["intensity_std_1"]) == (4, 0)
    assert row["intensity_sum"] == 200 * 10
    assert row["fret_ratio"] == 1.5
    # Second moments of a row of n pixels: (n^2 - 1) / 12.
    assert row["axis_major_length"] == pytest.approx(4 * 0.5 * np.sqrt((20**2 - 1) / 12))
    assert row["aspect_ratio"] == pytest.approx(np.sqrt((20**2 - 1) / (10**2 - 1)))


def test_numerator_and_denominator_choose_the_ratio(images):
    default = RegionProperties(["fret_ratio"]).fit_transform(images)
    inverse = RegionProperties(["fret_ratio"], numerator=0, denominator=1).fit_transform(images)
    np.testing.assert_allclose(default * inverse, 1)
    three = np.concatenate([images, 2 * images[:, :1]], axis=1)
    double = RegionProperties(["fret_ratio"], numerator=2, denominator=0).fit_transform(three)
    np.testing.assert_allclose(double, 2)


def test_real_segmentations_agree_with_the_numbers_published_with_them(shared_data):
    folder = shared_data / "t98g_time_lapse"
    tracks = pd.read_csv(folder / "tracks.csv")
    sides = tracks[["bbox_bottom", "bbox_right"]].to_numpy() - tracks[["bbox_top", "bbox_left"]]
    tracks = tracks[(sides.max(axis=1) <= 80)].iloc[::4]
    labels = tifffile.imread(folder / "labels.tif")
    masks = np.zeros((len(tracks), 82, 82), np.uint8)
    for mask, row in zip(masks, tracks.itertuples()):
        top, left = int(row.bbox_top), int(row.bbox_left)
        box = labels[int(row.frame), top : int(row.bbox_bottom), left : int(row.bbox_right)]
        mask[1 : len(box) + 1, 1 : box.shape[1] + 1] = box == row.particle
    names = ["area", "equivalent_diameter_area", "perimeter", "eccentricity"]
    found = RegionProperties(names, pixel_size=0.87).fit_transform(masks)
    expected = tracks[["area", "equivalent_diameter", "perimeter", "eccentricity"]]
    assert len(tracks) > 100
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-6)


# What the object is ---------------------------------------------------------------------------


def test_the_object_is_any_channel_above_zero_unless_a_mask_is_given():
    image = np.zeros((1, 3, 5, 5))
    image[0, 0, 1, 1:4] = 2
    image[0, 1, 2, 1:4] = 3
    image[0, 2, 1:3, 1:3] = 1  # a mask of 2 x 2
    area = RegionProperties(["area", "intensity_mean"])
    np.testing.assert_allclose(area.fit_transform(image[:, :2]), [[6, 1, 1.5]])
    masked = clone(area).set_params(mask_channel=-1)
    np.testing.assert_allclose(masked.fit_transform(image), [[4, 1, 1.5]])
    assert masked.get_feature_names_out().tolist() == ["area", *THE_STUDYS[:2]]


@pytest.mark.parametrize("mask_channel", [0, 1, -1])
def test_channels_keep_their_numbers_wherever_the_mask_is(mask_channel, images):
    stack = np.insert(images.astype(float), mask_channel % 3, images[:, 0] > 0, axis=1)
    cfp, yfp = (k for k in range(3) if k != mask_channel % 3)
    measure = RegionProperties(mask_channel=mask_channel, numerator=yfp, denominator=cfp)
    np.testing.assert_allclose(
        measure.fit_transform(stack), RegionProperties().fit_transform(images)
    )
    assert measure.get_feature_names_out().tolist()[:2] == [
        f"intensity_mean_{cfp}",
        f"intensity_mean_{yfp}",
    ]


def test_pieces_count_as_one_object():
    image = np.zeros((1, 1, 8, 8))
    image[0, 0, 1:3, 1:3] = image[0, 0, 5:7, 5:7] = 1
    assert label(image[0, 0]).max() == 2
    area, pieces = RegionProperties(["area", "euler_number"]).fit_transform(image)[0]
    assert (area, pieces) == (8, 2)


def test_images_without_an_object_are_nan_and_leave_the_others_alone(images):
    with_empty = np.insert(images, [0, 3], 0, axis=0)
    measure = RegionProperties([*THE_STUDYS[4:], "solidity", "moments_hu"]).fit(images)
    found = measure.transform(with_empty)
    empty = ~with_empty.any(axis=(1, 2, 3))
    assert empty.sum() == 2
    assert np.isnan(found[empty]).all()
    np.testing.assert_array_equal(found[~empty], measure.transform(images))
    assert np.isnan(measure.transform(with_empty[:1])).all()


def test_points_and_lines_give_nan_where_a_number_has_no_meaning_never_infinity():
    image = np.zeros((3, 1, 5, 5))
    image[0, 0, 2, 2] = image[1, 0, 2, :] = 1
    image[2, 0, 1:3, 1:4] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = RegionProperties(["aspect_ratio", *NUMBERS]).fit_transform(image)
    assert not np.isinf(found).any()
    np.testing.assert_array_equal(np.isnan(found[:, 0]), [True, True, False])


def test_the_ratio_is_nan_where_the_denominator_is_dark():
    image = np.zeros((2, 2, 3, 3))
    image[:, 1] = 5
    image[1, 0] = -1  # as after subtraction of a background
    assert np.isnan(RegionProperties(["fret_ratio"]).fit_transform(image)).all()


# Rows, containers, composition ----------------------------------------------------------------


def test_a_row_is_measured_alike_in_any_company(images):
    measure = RegionProperties(["fret_ratio", *NUMBERS]).fit(images)
    together = measure.transform(images)
    alone = np.concatenate([measure.transform(images[k : k + 1]) for k in range(len(images))])
    np.testing.assert_array_equal(alone, together)


def test_more_pixels_than_are_measured_at_once():
    images = np.zeros((5, 1, 900, 900), np.uint8)
    for k, image in enumerate(images):
        image[0, k : 2 * k + 1, 7:9] = 1
    found = RegionProperties(["area", "bbox"]).fit_transform(images)
    np.testing.assert_array_equal(found[:, 0], 2 * np.arange(1, 6))
    np.testing.assert_array_equal(found[:, 1], np.arange(5))


def test_every_container_of_images_gives_the_same_numbers(images):
    expected = RegionProperties().fit_transform(images)
    assert expected.shape == (len(images), 13) and expected.dtype == np.float64
    table = pd.DataFrame({"donor": "a", "image": image_column(images)})
    rows = RegionProperties(image_shape=(2, 20, 20))
    for found in (
        RegionProperties().fit_transform(table),
        RegionProperties().fit_transform(table["image"]),
        rows.fit_transform(images.reshape(len(images), -1)),
    ):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "shape, names",
    [
        ((4, 5), [THE_STUDYS[0], THE_STUDYS[2], *THE_STUDYS[5:]]),
        ((1, 4, 5), [THE_STUDYS[0], THE_STUDYS[2], *THE_STUDYS[5:]]),
        ((3, 4, 5), None),
    ],
)
def test_the_default_measures_what_the_channels_allow(shape, names):
    measure = RegionProperties().fit(np.ones((2, *shape)))
    found = measure.get_feature_names_out().tolist()
    if names is None:
        assert len(found) == 15 and "fret_ratio" in found
    else:
        assert found == names


def test_a_mask_alone_is_measured_without_intensities():
    mask = np.ones((2, 1, 4, 5))
    names = RegionProperties(mask_channel=0).fit(mask).get_feature_names_out()
    assert names.tolist() == THE_STUDYS[6:]


def test_set_output_names_the_columns_and_keeps_the_index(images):
    table = pd.DataFrame({"image": image_column(images)}, index=np.arange(len(images)) + 7)
    found = RegionProperties().set_output(transform="pandas").fit_transform(table)
    assert list(found) == THE_STUDYS
    assert found.index.equals(table.index)


def test_movies_become_one_list_a_feature_with_one_number_a_frame(movies):
    table = movies.frame.set_index("cell")
    found = RegionProperties().fit_transform(table)
    assert list(found) == THE_STUDYS and found.index.equals(table.index)
    lists = to_movies(table)
    np.testing.assert_array_equal([len(a) for a in found["area"]], [len(m) for m in lists])
    expected = RegionProperties().fit_transform(lists[2])
    np.testing.assert_array_equal(np.column_stack([found[n].iloc[2] for n in found]), expected)
    assert all(pa.types.is_large_list(dtype.pyarrow_dtype) for dtype in found.dtypes)
    pd.testing.assert_frame_equal(RegionProperties().fit_transform(table["movie"]), found)


def test_a_movie_without_frames_has_empty_lists(images):
    table = pd.DataFrame({"movie": movie_column([images[:0], images[:2]])})
    found = RegionProperties(["area"]).fit_transform(table)
    assert [len(areas) for areas in found["area"]] == [0, 2]


def test_features_of_movies_are_sampled_at_relative_times(movies):
    times = make_pipeline(RegionProperties(["area", "fret_ratio"]), RelativeTimeSampler([0, 1]))
    found = times.fit_transform(movies.frame)
    assert list(found) == ["area_0%", "area_100%", "fret_ratio_0%", "fret_ratio_100%"]
    np.testing.assert_array_equal(found["area_0%"], movies.frame["area"])


def test_features_stand_beside_other_columns_in_a_column_transformer(movies):
    union = ColumnTransformer(
        [("m", RegionProperties(["area"]), ["movie"])],
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    found = union.fit_transform(movies.frame[["movie", "fate"]])
    assert list(found) == ["area", "fate"] == union.get_feature_names_out().tolist()
    assert len(found["area"].iloc[0]) == movies.frame["lifetime"].iloc[0]


def test_it_survives_clone_and_pickle(images):
    measure = RegionProperties(["area", "moments_hu"], mask_channel=1).fit(images)
    again = pickle.loads(pickle.dumps(measure))
    np.testing.assert_array_equal(again.transform(images), measure.transform(images))
    assert again.get_feature_names_out().tolist() == [
        "area",
        *(f"moments_hu_{k}" for k in range(7)),
    ]
    assert clone(measure).get_params() == measure.get_params()


# Refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"properties": ["area", "roundness"]}, "property 'roundness' is none that scikit-image"),
        ({"properties": ["image_convex"]}, "property 'image_convex' is none that scikit-image"),
        ({"properties": ["label"]}, "property 'label' is none that scikit-image"),
        ({"properties": "area"}, "'properties' parameter .* Got 'area'"),
        ({"properties": []}, "at least one name"),
        ({"properties": ["area", "area"]}, "none of them twice, found 'area', 'area'"),
        ({"mask_channel": 2}, "mask_channel=2 is no channel of X, which has 2 channels"),
        ({"mask_channel": -3}, "mask_channel=-3 is no channel of X"),
        ({"numerator": 2}, "ask for a channel 2, but X has 2 channels of 20 x 20 pixels"),
        ({"properties": ["fret_ratio"], "mask_channel": 1}, "channel 1, .*, number 1 the mask"),
        ({"pixel_size": 0}, "pixel_size"),
        ({"denominator": -1}, "denominator"),
    ],
)
def test_parameters_that_make_no_sense_are_refused_by_name(parameters, message, images):
    with pytest.raises(ValueError, match=message):
        RegionProperties(**parameters).fit(images)


def test_intensities_of_a_mask_alone_are_refused():
    with pytest.raises(ValueError, match="'intensity_max' needs a channel of intensities"):
        RegionProperties(["intensity_max"], mask_channel=0).fit(np.ones((2, 1, 4, 4)))


def test_images_and_movies_that_do_not_fit_are_refused(images):
    measure = RegionProperties().fit(images)
    with pytest.raises(ValueError, match="fitted on images with 2 channels"):
        measure.transform(images[:, :1])
    broken = images.astype(float)
    broken[1, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="1 of .* images contain NaN"):
        measure.transform(broken)
    table = pd.DataFrame({"movie": movie_column([broken])})
    with pytest.raises(ValueError, match="1 of 1 movies in column 'movie'"):
        RegionProperties().fit(table)
