"""Try torch.compile and channels-last memory on the paper's training step, on a CPU or a GPU.

    OMP_NUM_THREADS=1 python benchmarks/compile_step.py

Each way runs in a process of its own, since some have killed it: the step as it is; the networks
channels last; the losses compiled by ``torch.compile``, first with an empty cache of what was
compiled and then with a full one. Prints milliseconds of a step (median), the seconds before steps
run at that speed, and after how many steps these are made up for. A paper-size fit has 5400.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch

from sklearn_cellfate.neural_network import AAEClassifier

WAYS = {
    "as it is": "eager",
    "channels last": "channels_last",
    "compiled, empty cache": "compiled",
    "compiled, cached": "compiled",
}
N_STEPS = 100


def time_steps(way):
    """Return seconds of each of some steps of stage two, the first ones too."""
    rng = np.random.default_rng(0)
    images, labels = rng.random((30, 1, 20, 20), dtype=np.float32), np.arange(30) % 2
    model = AAEClassifier(pretrain_epochs=0, max_epochs=1, batch_size=30, random_state=0)
    net = model.fit(images, labels).net_
    device = torch.device(net.device)
    batch = torch.from_numpy(images).to(device), torch.from_numpy(labels).to(device)
    net._set_training(True)
    if way == "channels_last":
        net.module_.to(memory_format=torch.channels_last)
        batch = batch[0].contiguous(memory_format=torch.channels_last), batch[1]
    if way == "compiled":
        net._autoencoder_losses = torch.compile(net._autoencoder_losses)
    seconds = []
    for _ in range(N_STEPS):
        started = time.perf_counter()
        net.train_step(batch)
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return seconds


def run_apart(way, cache):
    """Time a way in a process of its own; None and the reason if that is killed or fails."""
    run = subprocess.run(
        [sys.executable, __file__, "--way", way],
        env=os.environ | {"TORCHINDUCTOR_CACHE_DIR": cache},
        capture_output=True,
        text=True,
    )
    if run.returncode < 0:
        return None, f"killed by signal {-run.returncode}"
    if run.returncode:
        return None, (run.stderr.strip().splitlines() or ["failed"])[-1]
    return json.loads(run.stdout.splitlines()[-1]), None


def main():
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--way", choices=sorted(set(WAYS.values())), help=argparse.SUPPRESS)
    way = parser.parse_args().way
    if way is not None:
        print(json.dumps(time_steps(way)))
        return
    print(f"{torch.get_num_threads()} thread(s), torch {torch.__version__}")
    usual = None
    with tempfile.TemporaryDirectory() as cache:
        for name, way in WAYS.items():
            seconds, problem = run_apart(way, cache)
            if problem is not None:
                print(f"{name:24}{problem}")
                continue
            step = np.median(seconds[N_STEPS // 2 :])
            before = sum(seconds[: N_STEPS // 2]) - step * (N_STEPS // 2)
            usual = step if usual is None else usual
            paid = f"{before / (usual - step):,.0f} steps" if step < usual else "never"
            print(f"{name:24}{1e3 * step:8.2f} ms a step{before:8.1f} s before, paid after {paid}")


if __name__ == "__main__":
    main()
