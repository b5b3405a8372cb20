"""The contract of X and y: the same pixels in any container give the same result, bit for bit."""

import functools
import tempfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from sklearn_cellfate import image_column, movie_column, to_images
from sklearn_cellfate.feature_extraction import (
    IntensityStatistics,
    PixelFeatures,
    RegionProperties,
    TraceFeatures,
)
from sklearn_cellfate.io import as_stack
from sklearn_cellfate.metrics import ms_ssim
from sklearn_cellfate.model_selection import compare_estimators
from sklearn_cellfate.neural_network import AAEClassifier
from sklearn_cellfate.preprocessing import (
    FRETRatio,
    IntensityScaler,
    PatchNormalizer,
    RelativeTimeSampler,
)
from sklearn_cellfate.table import image_column_names

SHAPES = [(1, 1, 1), (1, 1, 7), (2, 5, 4), (12, 3, 3), (1, 9, 2)]
TRANSFORMERS = [
    PatchNormalizer(),
    PatchNormalizer("dataset"),
    FRETRatio(),
    IntensityScaler(),
    PixelFeatures(),
    IntensityStatistics(),
    RegionProperties(["area", "centroid", "intensity_mean"]),
]
DTYPES = [
    *("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float16", "float32", "float64", "longdouble", ">u2", ">f4"),
]
quick = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)


def images_of(shape, n=5, seed=0):
    """Whole numbers from 0 to 100, which every dtype holds, with background and objects."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 101, (n, *shape))
    return images * (rng.random(images.shape) < 0.8)


# Containers: each takes images of any dtype and returns another form of the same pixels ----------


def fortran(images):
    return np.asfortranarray(images)


def backwards(images):
    return images[::-1, :, ::-1, ::-1].copy()[::-1, :, ::-1, ::-1]


def every_other(images):
    wide = np.repeat(np.repeat(images, 2, axis=0), 3, axis=3)
    return wide[::2, :, :, ::3]


def channels_last_view(images):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(images, 1, -1)), -1, 1)


def read_only(images):
    images = images.copy()
    images.setflags(write=False)
    return images


def mapped(images):
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"7 bytes" + images.tobytes())  # not aligned
        file.flush()
        return np.memmap(file.name, images.dtype, "r", 7, images.shape)


def objects(images):
    return images.astype(object)


def lists(images):
    return images.tolist()


def rows(images):
    return images.reshape(len(images), -1)


def rows_of_objects(images):
    return rows(images).astype(object)


def frame_of_rows(images):
    return pd.DataFrame(rows(images)).add_prefix("px")


def nullable_rows(images):
    dtype = {"f": "Float64"}.get(images.dtype.kind, "Int64")
    wide = {"f": np.float64}.get(images.dtype.kind, np.int64)
    return pd.DataFrame(rows(images).astype(wide)).add_prefix("px").astype(dtype)


def table(images):
    column = image_column(images.astype(np.float64) if images.dtype.itemsize > 8 else images)
    return pd.DataFrame({"donor": list("abcdefgh")[: len(images)], "image": column})


def series(images):
    return table(images)["image"]


def odd_index(images):
    index = [7, 7, 3, -1, 7][: len(images)]
    return table(images).set_axis(index)


def chunks(images):
    pieces = [table(images[i : i + 2]) for i in range(0, len(images), 2)]
    return pd.concat([pieces[0].iloc[:0], *pieces], ignore_index=True)


def slices(images):
    """Rows out of the middle of columns, so that Arrow's arrays begin at an offset."""
    padded = table(np.concatenate([images[:1], images, images[:2]])).iloc[1 : len(images) + 1]
    return pd.concat([padded.iloc[:2], padded.iloc[2:]])


def shuffled(images):
    order = np.random.default_rng(1).permutation(len(images))
    return table(images[order]).iloc[np.argsort(order)]


ARRAYS = [fortran, backwards, every_other, channels_last_view, read_only, mapped, objects, lists]
ROWS = [rows, rows_of_objects, frame_of_rows, nullable_rows]
TABLES = [table, series, odd_index, chunks, slices, shuffled]


def result(estimator, X):
    """Return what the estimator makes of X as an array."""
    classifies = hasattr(estimator, "predict_proba")
    out = estimator.predict_proba(X) if classifies else estimator.transform(X)
    if isinstance(X, pd.DataFrame) and isinstance(out, pd.DataFrame):
        assert out.index.equals(X.index)
    if isinstance(out, pd.Series) or (isinstance(out, pd.DataFrame) and image_column_names(out)):
        out = to_images(out)
    return np.asarray(out)


def content(X):
    """Return a copy of all there is in a container."""
    if isinstance(X, pd.DataFrame | pd.Series):
        return X.copy(deep=True)
    return [np.array(X, copy=True)] if isinstance(X, np.ndarray) else X


def assert_unchanged(X, before):
    if isinstance(X, pd.DataFrame | pd.Series):
        assert X.equals(before) and X.index.equals(before.index)
    else:
        np.testing.assert_array_equal(np.asarray(X), np.asarray(before).reshape(np.shape(X)))


def usable(estimator, shape):
    return shape[0] > 1 or not isinstance(estimator, FRETRatio)


def assert_same_as_plain(estimator, images, X, expected):
    """X was not changed, and gives the numbers that plain float32 images give, or a refusal."""
    before = content(X)
    try:
        found = result(estimator, X)
    except ValueError as error:
        assert np.asarray(X).dtype == object and "dtype object" in str(error)
        return
    assert_unchanged(X, before)
    assert found.dtype == expected.dtype
    assert found.reshape(expected.shape).tobytes() == expected.tobytes()


@quick
@given(
    st.sampled_from(TRANSFORMERS),
    st.sampled_from(SHAPES),
    st.sampled_from(DTYPES),
    st.sampled_from([*ARRAYS, *ROWS, *TABLES]),
    st.integers(1, 5),
)
@pytest.mark.filterwarnings("ignore:.*became background:UserWarning")
def test_the_same_pixels_in_any_container_are_transformed_alike(
    transformer, shape, dtype, container, n
):
    if not usable(transformer, shape):
        return
    images = images_of(shape, n)
    plain = images.astype(np.float32)
    folds = {"image_shape": shape} if container in ROWS else {}
    fitted = clone(transformer).set_params(**folds).fit(images_of(shape).astype(np.float32))
    expected = result(fitted, plain)
    X = container(images.astype(dtype))
    assert_same_as_plain(fitted, images, X, expected)
    if container is not objects:
        before = content(X)
        refitted = clone(fitted).fit(X)
        assert_unchanged(X, before)
        anew = clone(fitted).fit(plain)
        assert result(refitted, plain).tobytes() == result(anew, plain).tobytes()


@functools.cache
def classifier(shape, folds=False):
    images = images_of(shape, 12).astype(np.float32)
    labels = np.repeat(["dies", "divides"], 6)
    model = AAEClassifier(
        pretrain_epochs=0,
        max_epochs=1,
        width=0.25,
        image_shape=shape if folds else None,
        random_state=0,
    )
    return model.fit(images, labels)


@quick
@given(
    st.sampled_from(SHAPES[:4]),
    st.sampled_from(DTYPES),
    st.sampled_from([*ARRAYS, *ROWS, *TABLES]),
    st.integers(1, 5),
)
def test_the_same_pixels_in_any_container_are_predicted_alike(shape, dtype, container, n):
    images = images_of(shape, n)
    model = classifier(shape, container in ROWS)
    expected = result(model, images.astype(np.float32))
    assert_same_as_plain(model, images, container(images.astype(dtype)), expected)


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=str)
@pytest.mark.filterwarnings("ignore:.*became background:UserWarning")
def test_masks_of_true_and_false_are_zeros_and_ones(transformer):
    masks = images_of((2, 5, 4)) > 50
    fitted = clone(transformer).fit(masks.astype(np.float32))
    expected = result(fitted, masks.astype(np.float32))
    for X in (masks, fortran(masks), objects(masks).astype(bool)):
        assert result(fitted, X).tobytes() == expected.tobytes()


# Masked arrays: NumPy would hand out what lies under the mask ------------------------------------

MASKED = np.ma.masked_less(images_of((2, 5, 4)), 3)


def flat(images):
    return images.reshape(len(images), -1)


@pytest.mark.parametrize("form", [np.ma.array, flat, list, lambda X: X[:, 0]])
@pytest.mark.parametrize("estimator", [*TRANSFORMERS, AAEClassifier()], ids=lambda one: str(one))
def test_masked_pixels_are_refused(estimator, form):
    with pytest.raises(ValueError, match=r"X has \d+ masked values, .* fill them first"):
        clone(estimator).fit(form(MASKED), [0, 1, 0, 1, 0])


@pytest.mark.parametrize(
    "read",
    [
        image_column,
        to_images,
        lambda X: movie_column([X, X]),
        as_stack,
        lambda X: ms_ssim(X, X),
        RelativeTimeSampler().fit,
        lambda X: TraceFeatures().fit(flat(X)),
    ],
)
def test_masked_pixels_are_refused_by_functions_too(read):
    with pytest.raises(ValueError, match=r"has \d+ masked values"):
        read(MASKED.astype(float))


def as_objects(images):
    objects = np.empty(len(images), dtype=object)
    objects[:] = list(images)
    return objects


@pytest.mark.parametrize("images", [np.asarray(MASKED), MASKED], ids=["plain", "masked"])
@pytest.mark.parametrize(
    "form",
    [as_objects, lambda X: pd.Series(list(X)), lambda X: pd.DataFrame({"image": list(X)})],
    ids=["array", "series", "frame"],
)
@pytest.mark.parametrize("estimator", [*TRANSFORMERS, AAEClassifier()], ids=lambda one: str(one))
def test_images_that_are_python_objects_are_named(estimator, form, images):
    match = r"('image'|X) holds arrays as Python objects: image_column\(list\(\.\.\.\)\)"
    with pytest.raises(ValueError, match=match):
        clone(estimator).fit(form(images), [0, 1, 0, 1, 0])
    with pytest.raises(ValueError, match=match):
        to_images(form(images))


def test_a_masked_array_that_hides_nothing_is_an_array():
    images = images_of((2, 5, 4)).astype(np.float32)
    given = np.ma.masked_array(images)
    assert result(PixelFeatures().fit(given), given).tobytes() == images.tobytes()


def test_masked_labels_and_groups_are_missing_ones():
    y = np.ma.masked_array(CODES, CODES == 0)
    with pytest.raises(ValueError, match="4 of 12 rows have no label"):
        small_model().fit(label_images(), y)
    with pytest.raises(ValueError, match=r"4 of 12 labels are missing"):
        compare_estimators({"a": small_model()}, label_images(), y)
    with pytest.raises(ValueError, match="4 of 12 rows have no group"):
        compare_estimators({"a": small_model()}, label_images(), CODES, groups=y)
    with pytest.raises(ValueError, match="groups is missing in 4 of 12 rows"):
        small_model().set_params(early_stopping=True).fit(label_images(), CODES, groups=y)


def test_arrow_arrays_of_others_are_read_alike():
    """Tensors in lists that are nullable, cut and in several chunks."""
    images = images_of((2, 5, 4)).astype(np.float32)
    storage = pa.array([*images.reshape(5, -1).tolist(), None], pa.list_(pa.float32(), 40))
    kind = pa.fixed_shape_tensor(pa.float32(), (2, 5, 4))
    tensors = pa.ExtensionArray.from_storage(kind, storage)
    cut = pa.chunked_array([tensors.slice(0, 2), tensors.slice(2, 0), tensors.slice(2, 3)])
    column = pd.Series(pd.arrays.ArrowExtensionArray(cut))
    np.testing.assert_array_equal(to_images(column), images, strict=True)
    whole = pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([tensors])))
    with pytest.raises(ValueError, match="1 of 6 rows have no image"):
        to_images(whole)
    np.testing.assert_array_equal(to_images(whole.iloc[:5]), images, strict=True)


# Numbers at the ends of their range -------------------------------------------------------------

ODD_NUMBERS = [0.0, -0.0, 1e-45, -1e-40, 1.2e-38, 1.0, 65504.0, 1e30, -1e30, 3.4e38, -3.4e38]


@quick
@given(
    st.sampled_from(TRANSFORMERS),
    st.sampled_from(SHAPES),
    st.sampled_from([np.float32, np.float64]),
    st.data(),
)
@pytest.mark.filterwarnings("ignore:.*became background:UserWarning")
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_huge_and_tiny_pixels_give_finite_numbers(transformer, shape, dtype, data):
    if not usable(transformer, shape):
        return
    size = 3 * int(np.prod(shape))
    few = data.draw(st.lists(st.sampled_from(ODD_NUMBERS), min_size=1, max_size=7))
    images = np.resize(np.array(few, dtype), size).reshape(3, *shape)
    fitted = clone(transformer).fit(images)
    out = result(fitted, images)
    if not isinstance(transformer, RegionProperties):  # no object: no centroid
        assert np.isfinite(out).all()


@pytest.mark.parametrize("value", [1e39, -1e300, np.inf, np.nan])
@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=str)
def test_numbers_beyond_float32_are_refused(transformer, value):
    images = images_of((2, 5, 4)).astype(np.float64)
    images[3, 1, 2, 2] = value
    problem = "have pixels that are too large" if np.isfinite(value) else "contain NaN or infinite"
    with pytest.raises(ValueError, match=f"1 of 5 images {problem} .* row 3"):
        clone(transformer).fit(images)
    with pytest.raises(ValueError, match=f"1 of 5 images {problem} .* row 3"):
        clone(transformer).fit(images_of((2, 5, 4))).transform(table(images))


# Labels -----------------------------------------------------------------------------------------

CODES = np.repeat([0, 1, 2], 4)[np.random.default_rng(0).permutation(12)]


def labelled(names, dtype=None):
    return np.array(names, dtype)[CODES]


LABELS = {
    **{dtype: labelled([0, 1, 2], dtype) for dtype in DTYPES[:8]},
    "whole floats": labelled([0.0, 1.0, 2.0]),
    "big-endian": labelled([0, 1, 2], ">i4"),
    "unicode": labelled(["dies", "divides", "µ lives"]),
    "objects": labelled(["dies", "divides", "lives"], object),
    "list": labelled(["dies", "divides", "lives"]).tolist(),
    "read-only": labelled([10, 20, 30]),
    "every other": np.repeat(labelled([10, 20, 30]), 2)[::2],
    "column": labelled([1, 2, 3])[:, np.newaxis],
    "Series": pd.Series(labelled(["a", "b", "c"]), index=[5, 5, *range(10)]),
    "string": pd.Series(labelled(["a", "b", "c"]), dtype="string"),
    "Arrow string": pd.Series(labelled(["a", "b", "c"]), dtype=pd.ArrowDtype(pa.string())),
    "Arrow array": pa.array(labelled(["a", "b", "c"]).tolist()),
    "chunked Arrow array": pa.chunked_array([pa.array(labelled(["a", "b", "c"]).tolist())]),
    "Int64": pd.Series(labelled([0, 1, 2]), dtype="Int64"),
    "category": pd.Series(
        pd.Categorical(labelled(["a", "b", "c"]), categories=["unused", "c", "b", "a"])
    ),
    "category of Int64": pd.Series(pd.array(labelled([3, 4, 5]), "Int64")).astype("category"),
}
LABELS["read-only"].setflags(write=False)


@functools.cache
def predicted_by_codes():
    return small_model().fit(label_images(), CODES).predict_proba(label_images())


def small_model():
    return AAEClassifier(pretrain_epochs=0, max_epochs=1, width=0.25, random_state=0)


def label_images():
    return images_of((1, 4, 4), 12).astype(np.float32)


@pytest.mark.parametrize("form", LABELS)
@pytest.mark.filterwarnings("ignore:A column-vector y")
def test_labels_in_any_form_give_the_same_model(form):
    y = LABELS[form]
    before = content(y)
    model = small_model().fit(label_images(), y)
    assert_unchanged(y, before)
    names = np.unique(np.asarray(y).ravel())
    np.testing.assert_array_equal(model.classes_, names)
    assert model.predict_proba(label_images()).tobytes() == predicted_by_codes().tobytes()
    predicted = model.predict(label_images())
    np.testing.assert_array_equal(predicted, names[predicted_by_codes().argmax(axis=1)])


@pytest.mark.parametrize(
    "y",
    [
        labelled([False, True, True]),
        pd.Series(labelled([False, True, True]), dtype="boolean"),
        pd.Series(labelled([False, True, True]), dtype=pd.ArrowDtype(pa.bool_())),
    ],
    ids=["bool", "boolean", "Arrow bool"],
)
def test_labels_of_true_and_false(y):
    model = small_model().fit(label_images(), y)
    np.testing.assert_array_equal(model.classes_, [False, True])
    other = small_model().fit(label_images(), np.where(CODES > 0, "b", "a"))
    expected = other.predict_proba(label_images())
    assert model.predict_proba(label_images()).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "y",
    [
        pd.Series(labelled(["a", "b", "c"]), dtype="string").where(CODES > 0),
        pd.Series(labelled([0, 1, 2]), dtype="Int64").where(CODES > 0),
        pd.Series(labelled(["a", "b", "c"])).astype("category").cat.remove_categories("a"),
        labelled([np.nan, 1.0, 2.0]),
        labelled([None, "b", "c"], object),
    ],
    ids=["string", "Int64", "category", "float", "None"],
)
def test_rows_without_a_label_are_counted(y):
    with pytest.raises(ValueError, match=r"y contains NaN: 4 of 12 rows have no label"):
        small_model().fit(label_images(), y)


@pytest.mark.parametrize("n_rows", [11, 13])
def test_labels_of_other_rows_are_refused(n_rows):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        small_model().fit(label_images(), np.resize(CODES, n_rows))


def test_a_missing_label_in_a_list_of_text_is_no_class():
    images = np.random.default_rng(0).random((4, 8, 8))
    with pytest.raises(ValueError, match=r"2 of 4 rows have no label \(the first is row 1\)"):
        AAEClassifier(pretrain_epochs=0, max_epochs=1).fit(images, ["dies", np.nan] * 2)
