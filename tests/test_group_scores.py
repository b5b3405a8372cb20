"""score_by_group: every clone counts once, and the interval says how little six clones tell."""

import numpy as np
import pandas as pd
import pytest

from sklearn_cellfate.model_selection import score_by_group


def images(n_clones=6, n_images=10, right=0.8):
    """Clones of two classes, of whose images a share is read rightly, with probability 0.7."""
    clones = np.repeat([f"clone{i}" for i in range(n_clones)], n_images)
    y = np.repeat(np.arange(n_clones) % 2, n_images)
    read = np.where(np.tile(np.arange(n_images), n_clones) < right * n_images, y, 1 - y)
    return y, np.where(read[:, None] == [0, 1], 0.7, 0.3), clones


def test_six_clones_of_six_leave_a_wide_interval():
    scores = score_by_group(*images())
    row = scores.loc["all"]
    assert (row["n_groups"], row["n_images"], row["accuracy"], row["wrong"]) == (6, 60, 1.0, "")
    assert row["image_accuracy"] == pytest.approx(0.8)
    # With n of n right, Clopper and Pearson's lower bound is (alpha / 2) ** (1 / n).
    assert row["low"] == pytest.approx(0.025 ** (1 / 6)) and row["high"] == 1


def test_groups_are_judged_anew_at_each_hour():
    y, probabilities, clones = images()
    hour = np.tile([24, 53], len(y) // 2)
    probabilities[(hour == 24) & (clones == "clone1")] = [0.9, 0.1]
    scores = score_by_group(y, probabilities, clones, by=hour)
    assert scores["accuracy"].to_dict() == {24: pytest.approx(5 / 6), 53: 1.0}
    assert scores.loc[24, "wrong"] == "clone1"


def test_one_sure_image_sways_the_mean_but_not_the_majority():
    y, clones = [1, 1, 1, 0], ["a", "a", "a", "b"]
    probabilities = [[0.4, 0.6], [0.4, 0.6], [0.99, 0.01], [0.8, 0.2]]
    assert score_by_group(y, probabilities, clones).loc["all", "wrong"] == "a"
    scores = score_by_group(y, probabilities, clones, aggregate="majority")
    assert scores.loc["all", "accuracy"] == 1


def test_classes_name_the_columns():
    y, probabilities, clones = images()
    names = np.array(["no", "yes"])[y]
    expected = score_by_group(y, probabilities, clones)
    assert score_by_group(names, probabilities, clones).equals(expected)
    swapped = score_by_group(names, probabilities[:, ::-1], clones, classes=["yes", "no"])
    assert swapped.equals(expected)


def test_named_columns_are_taken_by_name():
    y, probabilities, clones = images()
    expected = score_by_group(y == 1, probabilities, clones)
    table = pd.DataFrame(probabilities, columns=[False, True])
    assert score_by_group(y == 1, table.iloc[:, ::-1], clones).equals(expected)
    other_names = table.set_axis(["bad", "good"], axis=1)
    assert score_by_group(y == 1, other_names, clones).equals(expected)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"y": [0, 1, 0, 1]}, "one class, but 'a', 'b' have images of several"),
        ({"probabilities": np.full((4, 3), 1 / 3)}, r"each of the classes 0, 1, found .*\(4, 3\)"),
        ({"probabilities": np.full((4, 2), np.nan)}, "NaN"),
        ({"aggregate": "max"}, "aggregate must be .* found 'max'"),
        ({"probabilities": np.full((4, 2), 3.0)}, "sum to 1"),
        ({"groups": ["a", "a", "b", None]}, "groups is missing in 1 of 4 rows"),
        ({"by": [24.0, 24.0, np.nan, np.nan]}, "by is missing in 2 of 4 rows"),
        ({"classes": [1, 2]}, "y has 0, expected one of 1, 2"),
        ({"classes": [0, 1, 1]}, "classes must each be named once, found 0, 1, 1"),
        ({"y": [], "probabilities": np.empty((0, 2)), "groups": []}, "y is empty"),
        ({"groups": ["a"]}, "inconsistent numbers of samples"),
    ],
)
def test_bad_input_is_named(changes, message):
    good = {"y": [0, 0, 1, 1], "probabilities": np.full((4, 2), 0.5), "groups": list("aabb")}
    with pytest.raises(ValueError, match=message):
        score_by_group(**good | changes)
