"""RelativeTimeSampler: the index rule, gaps by frame number, every container, bad input."""

import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_cellfate import image_column, movie_column, to_images
from sklearn_cellfate.preprocessing import FRETRatio, RelativeTimeSampler


@parametrize_with_checks([RelativeTimeSampler(), RelativeTimeSampler([0.25, 0.5])])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def sampled_positions(length, times=11):
    """Relative times of a trace whose values are its own positions, beside a longer one."""
    traces = np.full((2, length + 3), np.nan)
    traces[0, :length] = np.arange(length)
    traces[1] = np.arange(length + 3)
    return RelativeTimeSampler(times).fit_transform(traces)[0].astype(int).tolist()


def counting_movie(length, first=1):
    """Frames of 2 x 2 pixels, one channel, each filled with its number."""
    return np.full((length, 1, 2, 2), np.arange(first, first + length)[:, None, None, None])


# The rule -------------------------------------------------------------------------------------


def test_the_reference_examples():
    assert sampled_positions(8) == [0, 1, 1, 2, 3, 4, 4, 5, 6, 6, 7]
    assert sampled_positions(6) == [0, 0, 1, 2, 2, 2, 3, 4, 4, 4, 5]


@pytest.mark.parametrize("times", [1, 2, 3, 11, 12])
def test_an_integer_follows_numpy_rounding_of_linspace_at_every_length(times):
    for length in range(1, 130):
        expected = np.round(np.linspace(0, length - 1, times)).astype(int).tolist()
        assert sampled_positions(length, times) == expected


def test_fractions_are_rounded_halves_to_even():
    fractions = [0.125, 0.25, 0.5, 0.9]
    for length in (1, 2, 6, 7, 11, 50):
        expected = np.round(np.asarray(fractions) * (length - 1)).astype(int).tolist()
        assert sampled_positions(length, fractions) == expected


def test_a_life_of_one_frame_repeats_it_beside_lives_of_any_length():
    assert sampled_positions(1) == [0] * 11


# Tables ---------------------------------------------------------------------------------------


def cells_of(lengths=(6, 8)):
    return pd.DataFrame(
        {
            "donor": ["a", "b"],
            "movie": movie_column([counting_movie(length, first=0) for length in lengths]),
            "area": [list(range(length)) for length in lengths],
            "age": [1, 2],
        },
        index=[30, 10],
    )


def test_movies_and_lists_become_columns_in_place_and_others_stay():
    cells = cells_of()
    sampler = RelativeTimeSampler(times=3)
    result = sampler.fit_transform(cells)
    names = [f"{name}_{time}" for name in ("movie", "area") for time in ("0%", "50%", "100%")]
    assert list(result) == ["donor", *names, "age"]
    assert list(result) == sampler.get_feature_names_out().tolist()
    assert sampler.sampled_columns_ == ["movie", "area"]
    assert result.index.tolist() == [30, 10]
    assert result["area_50%"].tolist() == [2, 4]  # of 0 ... 5 and 0 ... 7
    assert result["area_50%"].dtype == float
    middle = to_images(result["movie_50%"])
    assert middle.shape == (2, 1, 2, 2)
    assert middle[:, 0, 0, 0].tolist() == [2, 4]
    assert middle.dtype == np.int64, "pixels keep their dtype"
    pd.testing.assert_frame_equal(result[["donor", "age"]], cells[["donor", "age"]])


def test_eleven_times_are_named_in_whole_percent():
    names = RelativeTimeSampler().fit(cells_of()[["movie"]]).get_feature_names_out()
    assert names.tolist() == [f"movie_{percent}%" for percent in range(0, 101, 10)]
    thirds = RelativeTimeSampler([1 / 3]).fit(cells_of()[["movie"]])
    assert thirds.get_feature_names_out().tolist() == ["movie_33.3333%"]


@pytest.mark.parametrize(
    "lists",
    [
        [[1, 2, 9], [4.0]],
        [(1, 2, 9), (4,)],
        [np.array([1, 2, 9]), np.array([4.0])],
        pd.arrays.ArrowExtensionArray(pa.chunked_array([[[1, 2, 9]], [[4]]])),
        pd.arrays.ArrowExtensionArray(pa.chunked_array([[[1.0, 2.0, 9.0], [4.0]]])),
    ],
)
def test_lists_of_any_kind(lists):
    result = RelativeTimeSampler([0, 1]).fit_transform(pd.DataFrame({"cfp": lists}))
    assert result.to_numpy().tolist() == [[1, 9], [4, 4]]


@pytest.mark.parametrize("as_arrow", [False, True])
@pytest.mark.parametrize(
    ("lists", "kind"),
    [
        ([["G1", "S", "M"], ["G1"]], "str"),
        (
            [[pd.Timestamp("2026-01-0" + day) for day in "123"], [pd.Timestamp("2026-01-04")]],
            "dat",
        ),
    ],
)
def test_text_and_dates_are_sampled_as_they_are(lists, kind, as_arrow):
    column = pd.arrays.ArrowExtensionArray(pa.chunked_array([lists])) if as_arrow else lists
    cells = pd.DataFrame({"state": column, "cfp": [[1, 2, 3], [4]]})
    result = RelativeTimeSampler([0, 1]).fit_transform(cells)
    assert list(result) == ["state_0%", "state_100%", "cfp_0%", "cfp_100%"]
    assert result["state_100%"].tolist() == [lists[0][-1], lists[1][0]]
    assert str(result["state_100%"].dtype).startswith(kind)


def test_a_missing_value_inside_a_list_is_a_value():
    cells = pd.DataFrame({"cfp": [[1.0, np.nan, 3.0]]})
    result = RelativeTimeSampler(3).fit_transform(cells)
    np.testing.assert_array_equal(result.to_numpy(), [[1, np.nan, 3]])


def test_gaps_are_counted_by_frame_number_not_by_position():
    # Frames 10, 11, 12 and, after the track was lost for six frames, 19 and 20.
    cells = pd.DataFrame({"cfp": [[0, 1, 2, 9, 10]], "frame": [[10, 11, 12, 19, 20]]})
    sampler = RelativeTimeSampler(frames="frame")
    result = sampler.fit_transform(cells)
    # Wanted 0 ... 10; 3, 4, 5 are nearest to 2, and 6, 7, 8 to 9.
    assert result.to_numpy()[0].tolist() == [0, 1, 2, 2, 2, 2, 9, 9, 9, 9, 10]
    assert "frame" not in result, "frame numbers have done their work"
    assert sampler.get_feature_names_out().tolist() == list(result)
    by_position = RelativeTimeSampler().fit_transform(cells[["cfp"]])
    assert by_position.to_numpy()[0].tolist() == [0, 0, 1, 1, 2, 2, 2, 9, 9, 10, 10]


def test_of_two_frames_equally_near_the_earlier_is_taken():
    cells = pd.DataFrame({"cfp": [[1, 2], [3, 4]], "frame": [[0, 4], [7, 9]]})
    result = RelativeTimeSampler([0.5], frames="frame").fit_transform(cells)
    assert result["cfp_50%"].tolist() == [1, 3]


def test_frame_numbers_hold_for_movies_and_any_row_by_itself():
    rng = np.random.default_rng(0)
    frames = [np.sort(rng.choice(60, size, replace=False)) for size in (1, 5, 20, 2, 40)]
    cells = pd.DataFrame(
        {
            "movie": movie_column(
                [np.zeros((len(f), 1, 1, 1)) + f[:, None, None, None] for f in frames]
            ),
            "frame": frames,
        }
    )
    result = RelativeTimeSampler(frames="frame").fit_transform(cells)
    for row, observed in enumerate(frames):
        span = observed[-1] - observed[0]
        for k, name in enumerate(result):
            wanted = observed[0] + int(np.round(np.linspace(0, span, 11))[k])
            expected = observed[np.argmin(np.abs(observed - wanted))]  # argmin: the earlier
            assert to_images(result[name])[row, 0, 0, 0] == expected


# Padded arrays --------------------------------------------------------------------------------


def test_zero_padded_movies_with_and_without_channels():
    movies = np.zeros((2, 9, 1, 2, 2))
    movies[0, :6] = counting_movie(6)
    movies[1, :8] = counting_movie(8)
    result = RelativeTimeSampler().fit_transform(movies)
    assert result.shape == (2, 11, 1, 2, 2)
    assert result[0, :, 0, 0, 0].tolist() == [1, 1, 2, 3, 3, 3, 4, 5, 5, 5, 6]
    assert result[1, :, 0, 0, 0].tolist() == [1, 2, 2, 3, 4, 5, 5, 6, 7, 7, 8]
    without_channels = RelativeTimeSampler().fit_transform(movies[:, :, 0])
    np.testing.assert_array_equal(without_channels, result[:, :, 0])


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_an_empty_frame_inside_a_life_is_a_gap(dtype):
    movie = np.zeros((1, 9, 2, 2), dtype)
    movie[0, :7] = counting_movie(7)[:, 0]
    movie[0, [2, 3]] = 0  # numbers 1 2 . . 5 6 7 and two frames of padding
    result = RelativeTimeSampler(7).fit_transform(movie)
    assert result[0, :, 0, 0].tolist() == [1, 2, 2, 5, 5, 6, 7]
    assert result.dtype == dtype


def test_a_frame_with_one_bright_pixel_was_lived():
    movie = np.zeros((1, 4, 3, 3))
    movie[0, 0] = 1
    movie[0, 3, 1, 1] = 5
    assert RelativeTimeSampler(2).fit_transform(movie)[0, 1, 1, 1] == 5


def test_padding_by_another_number_or_by_nan():
    movie = np.full((1, 5, 2, 2), -1.0)
    movie[0, :3] = counting_movie(3, first=0)[:, 0]
    by_number = RelativeTimeSampler(3, padding=-1).fit_transform(movie)
    assert by_number[0, :, 0, 0].tolist() == [0, 1, 2], "0 is no padding here"
    movie[0, 3:] = np.nan
    for padding in (-1, np.nan):
        by_nan = RelativeTimeSampler(3, padding=padding).fit_transform(movie)
        np.testing.assert_array_equal(by_nan, by_number)


def test_a_zero_in_a_trace_is_a_measurement_unless_said_otherwise():
    traces = np.array([[3.0, 2.0, 0.0, 0.0, np.nan]])
    assert RelativeTimeSampler([1]).fit_transform(traces).tolist() == [[0]]
    assert RelativeTimeSampler([1], padding=0).fit_transform(traces).tolist() == [[2]]


def test_a_life_may_begin_late_in_an_array():
    traces = np.array([[np.nan, np.nan, 1.0, 2.0, 3.0]])
    assert RelativeTimeSampler(3).fit_transform(traces).tolist() == [[1, 2, 3]]


def test_movies_of_another_padded_length_are_welcome_and_rows_independent():
    sampler = RelativeTimeSampler().fit(np.ones((2, 4, 3, 3)))
    movies = np.random.default_rng(0).random((3, 7, 3, 3))
    movies[0, 1:] = 0
    result = sampler.transform(movies)
    assert result.shape == (3, 11, 3, 3)
    np.testing.assert_array_equal(result[1:], sampler.transform(movies[1:]))


# Composition ----------------------------------------------------------------------------------


def test_set_output():
    pandas = RelativeTimeSampler(3).set_output(transform="pandas")
    traces = pandas.fit_transform(np.arange(10.0).reshape(2, 5))
    assert list(traces) == ["trace_0%", "trace_50%", "trace_100%"]
    for movies in (np.ones((2, 5, 3, 4)), np.ones((2, 5, 2, 3, 4))):
        images = pandas.fit_transform(movies)
        assert list(images) == ["movie_0%", "movie_50%", "movie_100%"]
        assert to_images(images["movie_0%"]).shape[-2:] == (3, 4)
    cells = cells_of()
    result = pandas.fit_transform(cells)
    assert list(result) == pandas.get_feature_names_out().tolist()
    with pytest.raises(ValueError, match="with set_output, X must have the columns of fit"):
        pandas.transform(cells.drop(columns="age"))
    assert "age" not in pandas.set_output(transform="default").transform(cells.drop(columns="age"))


def test_column_transformer_and_pipeline():
    cells = cells_of().assign(
        movie=movie_column([np.ones((2, 2, 4, 4)), np.full((3, 2, 4, 4), 2.0)])
    )
    union = ColumnTransformer(
        [("time", make_pipeline(FRETRatio(), RelativeTimeSampler([0, 1])), ["movie"])],
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    result = union.fit_transform(cells.drop(columns="area"))
    assert list(result) == ["movie_0%", "movie_100%", "donor", "age"]
    np.testing.assert_array_equal(to_images(result["movie_0%"]), np.ones((2, 1, 4, 4)))
    alone = RelativeTimeSampler([0, 1]).fit_transform(cells["movie"])
    assert list(alone) == ["movie_0%", "movie_100%"]


def test_clone_and_pickle():
    cells = cells_of()
    sampler = RelativeTimeSampler(4).fit(cells)
    expected = sampler.transform(cells)
    for again in (pickle.loads(pickle.dumps(sampler)), clone(sampler).fit(cells)):
        assert again.transform(cells).equals(expected)


# Bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameter",
    [{"times": 0}, {"times": [0, 1.5]}, {"times": []}, {"times": [0.5, 0.5]}, {"padding": "none"}],
)
def test_parameters_are_checked(parameter):
    with pytest.raises(ValueError, match=next(iter(parameter))):
        RelativeTimeSampler(**parameter).fit(np.ones((2, 3)))


def test_rows_without_a_frame_are_counted_and_the_first_named():
    message = "2 of 3 rows have no frame in {} .the first is row 1"
    movies = movie_column([counting_movie(n) for n in (2, 0, 0)])
    for column in (movies, [[1, 2], [], []], [[1, 2], None, []]):
        with pytest.raises(ValueError, match=message.format("column 'life'")):
            RelativeTimeSampler().fit_transform(pd.DataFrame({"life": column}))
    padded = np.zeros((3, 4, 2, 2))
    padded[0] = 1
    for X in (padded, np.where(padded > 0, 1, np.nan)[:, :, 0, 0]):
        with pytest.raises(ValueError, match=message.format("X")):
            RelativeTimeSampler().fit_transform(X)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([[0, 1], [3, 2]], r"strictly increasing; column 'frame' has \[3.0, 2.0\] in row 1"),
        ([[0, 1], [2, 2]], "strictly increasing.* row 1"),
        ([[0.5, 1], [2, 3]], "whole.* row 0"),
        ([[0, 1], [2, np.nan]], "whole.* row 1"),
        ([[0, 1], [2]], "row 1 has 2 frames in column 'cfp' but 1 frame numbers in .* 'frame'"),
        ([["a"], ["b"]], "column 'frame' must hold lists of numbers"),
    ],
)
def test_frame_numbers_are_checked(frames, message):
    cells = pd.DataFrame({"cfp": [[1, 2], [3, 4]], "frame": frames})
    with pytest.raises(ValueError, match=message):
        RelativeTimeSampler(frames="frame").fit_transform(cells)


def test_columns_are_checked():
    cells = cells_of()
    with pytest.raises(ValueError, match=r"no column 'time', .* it has 'donor', 'movie'"):
        RelativeTimeSampler(frames="time").fit(cells)
    fitted = RelativeTimeSampler().fit(cells)
    with pytest.raises(ValueError, match="no column 'area', which RelativeTimeSampler needs"):
        fitted.transform(cells.drop(columns="area"))
    with pytest.raises(ValueError, match=r"expected at least one movie column .* among 'donor'"):
        RelativeTimeSampler().fit(cells[["donor"]])
    with pytest.raises(ValueError, match="two columns 'area_100%'"):
        RelativeTimeSampler().fit_transform(cells.assign(**{"area_100%": 1}))
    for mixed in ([["x"], [1.0]], [[["x"]], [["y"]]]):
        with pytest.raises(ValueError, match="column 'notes' must hold lists of one kind of val"):
            RelativeTimeSampler().fit_transform(cells.assign(notes=mixed))
    twice = pd.concat([cells, cells[["donor"]]], axis=1)
    with pytest.raises(ValueError, match="'donor'"):
        RelativeTimeSampler().fit_transform(twice)
    with pytest.raises(ValueError, match="no rows"):
        RelativeTimeSampler().fit(cells.iloc[:0])
    with pytest.raises(ValueError, match="no rows"):
        fitted.transform(cells.iloc[:0])


def test_movies_in_an_object_column_are_sent_to_movie_column():
    cells = pd.DataFrame({"movie": [counting_movie(2), counting_movie(3)]})
    with pytest.raises(ValueError, match=r"column 'movie' must hold .* made with movie_column"):
        RelativeTimeSampler().fit_transform(cells)


def test_tables_and_arrays_are_not_exchanged():
    cells = cells_of()
    of_table, of_array = RelativeTimeSampler().fit(cells), RelativeTimeSampler().fit([[1, 2]])
    for X in (np.ones((2, 4)), cells[["age"]]):
        with pytest.raises(ValueError, match="fitted on 'movie', 'area', but X has no such col"):
            of_table.transform(X)
    assert not hasattr(of_table.fit(np.ones((2, 3, 4, 4))), "feature_names_in_")
    with pytest.raises(ValueError, match="fitted on an array, but X is a data frame of lives"):
        of_array.transform(cells)


def test_frames_of_another_shape_are_refused():
    fitted = RelativeTimeSampler().fit(cells_of())
    other = cells_of().assign(movie=movie_column([np.ones((2, 2, 2, 2))] * 2))
    with pytest.raises(
        ValueError, match=r"column 'movie' has frames with 2 channels .* 1 channel"
    ):
        fitted.transform(other)
    fitted = RelativeTimeSampler().fit(np.ones((2, 5, 2, 3, 3)))
    with pytest.raises(
        ValueError, match=r"X has frames with 1 channel of .* fitted on .* 2 chann"
    ):
        fitted.transform(np.ones((2, 5, 1, 3, 3)))
    with pytest.raises(ValueError, match=r"X has one value a frame, .* fitted on frames with 2"):
        fitted.transform(np.ones((2, 90)))
    with pytest.raises(ValueError, match=r"shape \(2, 3, 4\) .* expected .*\(n, T, H, W\)"):
        RelativeTimeSampler().fit(np.ones((2, 3, 4)))
    with pytest.raises(ValueError, match="no rows"):
        RelativeTimeSampler().fit(np.ones((0, 3, 4, 4)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_without_a_finite_value_are_refused_by_row(value):
    movies = np.ones((3, 2, 1, 4, 4))
    movies[2, 1, 0, 0, 0] = value
    with pytest.raises(ValueError, match=r"1 of 3 movies of X contain NaN .* row 2"):
        RelativeTimeSampler().fit_transform(movies)
    cells = pd.DataFrame({"life": movie_column(list(movies))})
    with pytest.raises(ValueError, match=r"1 of 3 movies in column 'life' contain NaN .* row 2"):
        RelativeTimeSampler().fit_transform(cells)
    with pytest.raises(ValueError, match="infinity"):
        RelativeTimeSampler().fit(np.array([[1.0, np.inf]]))


def test_image_columns_pass_through():
    cells = cells_of().assign(first=image_column(np.ones((2, 3, 3))))
    result = RelativeTimeSampler(2).fit_transform(cells)
    assert result["first"].equals(cells["first"])
