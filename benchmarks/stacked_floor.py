"""What a step of stacked networks needs at least, and where its time goes.

    OMP_NUM_THREADS=1 python benchmarks/stacked_floor.py

The paper's networks, 20 x 20 pixels, batches of 30, second stage: for 1, 8 and 32 networks in one
program, by network and step: time; bytes that operations read and write, and their time at the
speed of copying; operations. Before that multiplications and additions of products, and their time
at the speed of a large product; after it the shares of the program of 8 by `torch.profiler`.
"""

from collections import Counter
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from bench_search import BATCH_SIZE, autoencoder, cells
from conftest import best_seconds
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from sklearn_cellfate.neural_network._stacked_fit import train_stack
from sklearn_cellfate.neural_network._stacked_net import describe_fit, training_handled_by

CPU = torch.device("cpu")
N_STEPS = 10  # an epoch
PARTS = {
    "convolutions": ("convolution",),
    "products": ("aten::mm", "aten::bmm", "aten::baddbmm", "aten::addmm"),
    "copies": ("aten::copy_", "aten::cat"),
    "normal numbers": ("aten::normal_",),
    "batch norm": ("batch_norm",),
}


def main():
    """Print a line a number of networks, then the parts."""
    torch.set_num_threads(1)
    matrix, data = torch.ones(1024, 1024), torch.ones(2, 2**25)
    flops_a_second = 2 * 1024**3 / best_seconds(lambda: torch.mm(matrix, matrix), CPU)
    bytes_a_second = data.nbytes / best_seconds(lambda: data[0].copy_(data[1]), CPU)
    # Of one network: the counter takes the groups of a backward convolution for one.
    flops = count_of_step(
        partial(FlopCounterMode, display=False), FlopCounterMode.get_total_flops, 1
    )
    print(
        f"products: {flops / 1e6:.0f} MFLOP, {1e3 * flops / flops_a_second:.2f} ms at "
        f"{flops_a_second / 1e9:.0f} GFLOP/s; copying: {bytes_a_second / 1e9:.0f} GB/s"
    )
    for n_networks in (1, 8, 32):
        n_bytes, n_operations = count_of_step(Count, Count.totals, n_networks)
        plan, jobs = describe(n_networks)
        epochs = train_stack(replace(plan, n_epochs=15), jobs)[0].epochs
        seconds = np.median([epoch["dur"] for epoch in epochs]) / N_STEPS
        print(
            f"{n_networks} networks: {1e3 * seconds:.2f} ms; {n_bytes / 1e6:.0f} MB, "
            f"{1e3 * n_bytes / bytes_a_second:.2f} ms; {n_operations:.0f} operations"
        )
    print_parts(*describe(8))


def describe(n_networks):
    """Make a plan, and a job for each of some networks that differ in their seed."""
    fits = []

    def take(net, rows, held_out, n_epochs, scheduled):
        fits.append(describe_fit(net, rows, n_epochs))
        return True

    with training_handled_by(take):
        for seed in range(n_networks):
            model = autoencoder(0, 1).set_params(random_state=seed)
            model.fit(*cells(N_STEPS * BATCH_SIZE))
    return fits[0][0], [job for _, job in fits]


def count_of_step(make_counter, totals, n_networks):
    """Count in a second epoch what a network's step takes."""
    plan, jobs = describe(n_networks)
    found = []
    for n_epochs in (1, 2):
        with make_counter() as counter:
            train_stack(replace(plan, n_epochs=n_epochs), jobs)
        found.append(np.array(totals(counter)))
    return (found[1] - found[0]) / (n_networks * N_STEPS)


class Count(TorchDispatchMode):
    """Operations that compute, and the bytes of the tensors that they read and write."""

    def __init__(self):
        super().__init__()
        self.n_operations = self.n_bytes = 0

    def totals(self):
        """Bytes and operations."""
        return self.n_bytes, self.n_operations

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Call an operation."""
        result = func(*args, **(kwargs or {}))
        if not func.is_view and "empty" not in func.name():
            self.n_operations += 1
            tensors = [one for one in tree_leaves((args, result)) if torch.is_tensor(one)]
            self.n_bytes += sum({id(one): one.nbytes for one in tensors}.values())
        return result


def print_parts(plan, jobs):
    """Shares of the time of a fit."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        train_stack(replace(plan, n_epochs=5), jobs)
    events = profiler.key_averages()
    whole = sum(event.self_cpu_time_total for event in events)
    shares = Counter()
    for event in events:
        part = next(
            (part for part, names in PARTS.items() if any(name in event.key for name in names)),
            "else",
        )
        shares[part] += event.self_cpu_time_total / whole
    print(", ".join(f"{part} {share:.0%}" for part, share in shares.most_common()))


if __name__ == "__main__":
    main()
