"""``evaluate --time-course``: the same question at each time of the cells' lives."""

import math

from sklearn_cellfate.cli._first_frames import FIRST, numbers_by_frame


def follow_time(comparison, lives, times, *, steps=(), n_jobs=None, seed=None):
    """Score images, and features if measured in each frame, on the folds of a comparison.

    Parameters
    ----------
    comparison : Bunch
        From ``compare_modalities`` on the first frames.
    lives : DataFrame
        The cell table with the movies that these frames were taken from, row by row.
    times : int
        How many times, from the first frame to the last.
    steps : sequence of transformers, default=()
        What was done to the first frames before they were compared.
    n_jobs, seed : int
        As of ``time_course``.

    Returns
    -------
    course : Bunch
        Of one model for all times; the network trains for about as many steps as it did on the
        first frames alone.
    """
    import sklearn
    from sklearn.base import clone
    from sklearn.pipeline import make_pipeline

    from sklearn_cellfate.model_selection import make_modality_pipelines, time_course

    network = comparison.pipelines["images"]["columns"].transformers[0][1]["autoencoder"]
    epochs = {
        name: math.ceil(getattr(network, name) / times)
        for name in ("pretrain_epochs", "max_epochs")
    }
    image = _of_lives(comparison.image, lives)
    features = [_of_lives(name, lives) for name in comparison.features]
    network = clone(network).set_params(**epochs)
    pipelines = make_modality_pipelines(image, features, autoencoder=network, random_state=seed)
    by_frame = set(numbers_by_frame(lives))
    frames = "frame" if "frame" in by_frame.difference(features) else None
    models = ["features"] if by_frame.intersection(features) else []
    groups = None if comparison.groups is None else lives[comparison.groups].to_numpy()
    with sklearn.config_context(enable_metadata_routing=True):  # as compare_modalities does
        return time_course(
            {name: make_pipeline(*steps, pipelines[name]) for name in [*models, "images"]},
            lives[[image, *features, *([] if frames is None else [frames])]],
            lives[comparison.target].to_numpy(),
            times=times,
            frames=frames,
            models="shared",
            groups=groups,
            cv=comparison.folds,
            n_jobs=n_jobs,
            random_state=seed,
            verbose=1,
        )


def _of_lives(name, lives):
    return name if name in lives.columns else name.removesuffix(FIRST)
