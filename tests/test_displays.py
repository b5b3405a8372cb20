"""What all displays have in common: how they are called, and colours that all can tell apart."""

import inspect
import itertools
import subprocess
import sys

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from skimage.color import rgb2lab

from sklearn_cellfate import inspection
from sklearn_cellfate.inspection._plot._palette import class_colours

DISPLAYS = [getattr(inspection, name) for name in inspection.__all__ if name.endswith("Display")]
# What eyes without one kind of cones make of linear red, green and blue: Machado, Oliveira and
# Fernandes (2009), doi:10.1109/TVCG.2009.113, severity 1.
EYES = {
    "all cones": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


@pytest.mark.parametrize("display", DISPLAYS)
def test_displays_are_called_as_those_of_scikit_learn(display):
    makers = ("from_estimator", "from_result", "from_images")
    assert any(callable(getattr(display, name, None)) for name in makers)
    assert inspect.signature(display.plot).parameters["ax"].default is None
    assert "figure_" in display.__doc__ and (
        "ax_" in display.__doc__ or "axes_" in display.__doc__
    )


def test_displays_need_no_seaborn():
    program = (
        "import sys; sys.modules['seaborn'] = None; from sklearn_cellfate.inspection import *"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def seen(colours, eye):
    """Colours in CIE Lab, in which a distance of 2 is just visible."""
    rgb = np.array([to_rgb(colour) for colour in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ np.transpose(EYES[eye]), 0, 1)
    rgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return rgb2lab(rgb[None])[0]


@pytest.mark.parametrize("eye", EYES)
def test_classes_are_told_apart_by_all_readers(eye):
    lab = seen(class_colours(6), eye)
    apart = [np.linalg.norm(one - other) for one, other in itertools.combinations(lab, 2)]
    assert min(apart) > 10


@pytest.mark.parametrize("eye", EYES)
def test_for_and_against_are_told_apart_by_all_readers(eye):
    against, nothing, in_favour = seen(colormaps["RdBu_r"]([0.1, 0.5, 0.9]), eye)
    assert np.linalg.norm(against - in_favour) > 40
    assert min(np.linalg.norm(end - nothing) for end in (against, in_favour)) > 30
