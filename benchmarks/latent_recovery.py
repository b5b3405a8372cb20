"""Hold supervised latent features against the factors that simulated cells differ in.

Trains on the first frames of 1000 cells whose fate follows ERK activity and nuclear radius, and
correlates the latent features of 1000 others with the truth. Cells and network are new for every
seed:

    python benchmarks/latent_recovery.py
"""

import argparse

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression

from sklearn_cellfate.datasets import make_cell_movies
from sklearn_cellfate.inspection import latent_correlations
from sklearn_cellfate.metrics import latent_correlation, latent_kl_divergence
from sklearn_cellfate.model_selection import make_default_autoencoder
from sklearn_cellfate.preprocessing import FRETRatio, RelativeTimeSampler


def first_ratio_images(n_cells, seed):
    """Cell table with the CFP / YFP ratio of each cell's first frame."""
    movies = make_cell_movies(n_cells, max_frames=5, random_state=seed)
    return FRETRatio().fit_transform(RelativeTimeSampler(times=[0.0]).fit_transform(movies.frame))


def true_factors(cells):
    """Return what the cells differ in; orientation is an axis, so its double angle counts."""
    orientation = 2 * cells["true_orientation"].to_numpy()
    return pd.DataFrame(
        {
            "ERK activity": cells["true_erk"],
            "radius": cells["true_radius"],
            "orientation, cosine": np.cos(orientation),
            "orientation, sine": np.sin(orientation),
        }
    )


def describe(model, cells):
    """Print a line a latent feature."""
    latents, factors = model.transform(cells), true_factors(cells)
    table = latent_correlations(latents, None, factors, groups=cells["field"], random_state=0)
    kl = latent_kl_divergence(latents)
    two, angle = factors.iloc[:, :2].rank(), factors.iloc[:, 2:]
    for latent, rows in table.groupby("latent"):
        ranks = pd.Series(latents[:, latent]).rank()
        of_two, of_angle = (
            LinearRegression().fit(part, ranks).score(part, ranks) for part in (two, angle)
        )
        values = ", ".join(
            f"{row.feature} {row.spearman:+.2f} [{row.low:+.2f}, {row.high:+.2f}]"
            for row in rows.itertuples()
        )
        print(f"    latent {latent}: {values}; ERK and radius explain {of_two:.0%}, ", end="")
        print(f"orientation {of_angle:.0%}; KL {kl[latent]:.2f}")
    best = table.assign(size=table["spearman"].abs()).groupby("feature", sort=False)["size"].max()
    print("    best:", ", ".join(f"{name} {value:.2f}" for name, value in best.items()), end="; ")
    print(f"mean correlation between latents {latent_correlation(latents):.2f}", flush=True)


def main():
    """Print the correlations for every number of latent features and seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--latent-dim", type=int, nargs="+", default=[2, 3])
    parser.add_argument("--prior", choices=["normal", "uniform"], default="normal")
    parser.add_argument("--lambda-covariance", type=float, default=1e-4)
    parser.add_argument("--no-augment", action="store_true")
    parser.add_argument(
        "--one-view",
        action="store_true",
        help="encode cells as they lie, instead of the mean over their symmetries",
    )
    arguments = parser.parse_args()
    for latent_dim in arguments.latent_dim:
        for seed in range(arguments.seeds):
            train = first_ratio_images(arguments.cells, seed=100 + seed)
            held_out = first_ratio_images(1000, seed=200 + seed)
            model = make_default_autoencoder(arguments.cells, random_state=seed).set_params(
                latent_dim=latent_dim,
                prior=arguments.prior,
                lambda_covariance=arguments.lambda_covariance,
                augment=not arguments.no_augment,
            )
            model.fit(train, train["fate"])
            accuracy = model.score(held_out, held_out["fate"])
            print(f"latent_dim={latent_dim}, seed {seed}, accuracy {accuracy:.3f}")
            if arguments.one_view:
                model.set_params(augment=False)
            describe(model, held_out)


if __name__ == "__main__":
    main()
