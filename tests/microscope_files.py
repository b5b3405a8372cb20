"""Files as microscopes and programs write them, for the tests of the readers."""

import json
import warnings

import h5py
import pytest
import tifffile


def write(path, pixels, axes=None, **options):
    """Write a TIFF file of pages in grey, with axes only if they are given."""
    options.setdefault("photometric", "minisblack")
    metadata = options.pop("metadata", {}) | ({"axes": axes} if axes else {})
    tifffile.imwrite(path, pixels, metadata=metadata or None, **options)
    return path


def ilastik_file(path, pixels, axes, name="exported_data", units=None, resolution=0, **options):
    """Write what ilastik's export writes."""
    tags = [{"key": a, "typeFlags": 2, "resolution": resolution, "description": ""} for a in axes]
    with h5py.File(path, "a") as file:
        data = file.create_dataset(name, data=pixels, **options)
        data.attrs["axistags"] = json.dumps({"axes": tags})
        if units:
            data.attrs["axis_units"] = json.dumps(dict.fromkeys("yx", units))
    return path


def zarr_image(path, pixels, axes, unit="micrometer", scale=0.5, version="0.5"):
    """Write an image of two resolutions, as ome-zarr does."""
    pytest.importorskip("ome_zarr")
    from ome_zarr.format import format_from_version
    from ome_zarr.writer import write_multiscale

    kinds = {"t": "time", "c": "channel"}
    described = [{"name": a, "type": kinds.get(a, "space")} for a in axes]
    for axis in described:
        if axis["type"] == "space" and unit:
            axis["unit"] = unit
    import zarr

    fmt = format_from_version(version)
    group = zarr.open_group(path, mode="w", zarr_format=fmt.zarr_format)
    scales = [
        [{"type": "scale", "scale": [f * scale if a in "zyx" else 1.0 for a in axes]}]
        for f in (1, 2)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old and new ome-zarr both
        write_multiscale(
            [pixels, pixels[..., ::2, ::2]],
            group,
            fmt=fmt,
            axes=described,
            coordinate_transformations=scales,
        )
    return path
