"""Features computed from pixels."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_cellfate import image_column
from sklearn_cellfate.feature_extraction import PixelFeatures


@parametrize_with_checks([PixelFeatures()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_pixels_lie_side_by_side():
    images = np.arange(24).reshape(2, 2, 2, 3)
    table = pd.DataFrame({"image": image_column(images)})
    assert_array_equal(PixelFeatures().fit_transform(table), images.reshape(2, 12))
    assert len(PixelFeatures().fit(table).get_feature_names_out()) == 12


def test_other_images_are_refused():
    fitted = PixelFeatures().fit(np.ones((2, 4, 6)))
    with pytest.raises(ValueError, match="6 x 4 pixels.*fitted on"):
        fitted.transform(np.ones((2, 6, 4)))
