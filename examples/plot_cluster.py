"""
A grid search on a cluster with one GPU a worker
================================================

A grid search is many fits that need nothing of each other. Dask runs them on other processes and
other machines; what changes in your code is one ``with`` line. A network wants a GPU for itself,
so each worker gets one. This example starts a small cluster on the machine that it runs on, a
worker a GPU, or two on the processor where there is none. One of the workers is killed in the
middle of the search, as it happens on clusters that take nodes back: the search goes on without
it, and its result is the same.
"""

# %%
# The cells
# ---------

import os
import subprocess
import sys
import threading
import time

import matplotlib.pyplot as plt
import torch
from dask.distributed import Client, LocalCluster
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut

from sklearn_cellfate.datasets import make_cell_movies
from sklearn_cellfate.neural_network import AAEClassifier
from sklearn_cellfate.preprocessing import FRETRatio, RelativeTimeSampler
from sklearn_cellfate.utils import register_dask

movies = make_cell_movies(n_cells=150, random_state=0)
first_frames = RelativeTimeSampler(times=[0]).fit_transform(movies.frame)
cells = FRETRatio().fit_transform(first_frames)
cells[["cell", "replicate", "fate"]].head()

# %%
# The cluster
# -----------
# A scheduler, here in this process, and workers that know its address. On a real cluster they are
# started by SLURM or Kubernetes, or by hand on each machine:
#
# .. code-block:: bash
#
#    dask scheduler                                                # on one machine
#    CUDA_VISIBLE_DEVICES=0 dask worker scheduler:8786 --nthreads 1  # a line for each GPU
#    CUDA_VISIBLE_DEVICES=1 dask worker scheduler:8786 --nthreads 1
#
# A worker sees the one GPU that ``CUDA_VISIBLE_DEVICES`` names, and ``device="auto"`` finds it.
# One thread a worker means one fit at a time on each GPU.

cluster = LocalCluster(n_workers=0, dashboard_address=None)
client = Client(cluster)
n_gpus = torch.cuda.device_count()
command = [sys.executable, "-m", "dask", "worker", cluster.scheduler_address]
options = ["--nthreads", "1", "--no-dashboard", "--no-nanny"]
workers = [
    subprocess.Popen(
        [*command, *options],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": str(number), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
    )
    for number in range(n_gpus or 2)
]
client.wait_for_workers(len(workers), timeout=60)
print(f"{len(workers)} workers, {n_gpus} of them with a GPU")

# %%
# The search
# ----------
# Under ``parallel_config("dask")`` scikit-learn's own ``GridSearchCV`` hands its fits to the
# workers. ``register_dask`` makes up for what joblib would lose together with a worker. Every fit
# holds out one whole replicate.

register_dask()
network = AAEClassifier(
    pretrain_epochs=1, max_epochs=4, augment=True, class_weight="balanced", random_state=0
)
search = GridSearchCV(
    network,
    {"latent_dim": [2, 4, 8]},
    scoring="balanced_accuracy",
    cv=LeaveOneGroupOut(),
    refit=False,
)

# %%
# Somebody pulls the plug of the first worker once it has done something.


def pull_the_plug():
    """Kill the first worker when the cluster is at work."""
    while not any(client.processing().values()):
        time.sleep(0.1)
    time.sleep(2)
    workers[0].kill()


if len(workers) > 1:
    threading.Thread(target=pull_the_plug, daemon=True).start()
with parallel_config("dask"):
    search.fit(cells, cells["fate"], groups=cells["replicate"])
print(f"{len(client.nthreads())} of {len(workers)} workers are left")

# %%
# Nine fits were asked for, and nine scores are there.

results = search.cv_results_
scores = [results[f"split{fold}_test_score"] for fold in range(search.n_splits_)]
figure, axes = plt.subplots(figsize=(4, 3), layout="constrained")
for fold, of_fold in enumerate(scores):
    axes.plot(
        results["param_latent_dim"].data.astype(int), of_fold, "o", label=f"replicate {fold}"
    )
axes.plot(results["param_latent_dim"].data.astype(int), results["mean_test_score"], "k_", ms=20)
axes.set(xlabel="latent features", ylabel="balanced accuracy", xticks=[2, 4, 8])
axes.legend(title="held out")

# %%
# One fit on several GPUs is another matter: see :doc:`the guide </guide/clusters>`.

client.close()
for worker in workers:
    worker.terminate()
    worker.wait()
cluster.close()
