"""What all benchmarks note of a run: device, versions, images a second, memory, the ceiling."""

import platform
import time
from pathlib import Path

import numpy as np
import pytest
import sklearn
import torch

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Run in one process: several would be in each other's way, and turn the timing off."""
    config.option.numprocesses = 0


def pytest_benchmark_update_machine_info(config, machine_info):
    """Note the device and the versions that decide how fast anything is."""
    on_gpu = torch.cuda.is_available()
    machine_info.update(
        device=torch.cuda.get_device_name() if on_gpu else cpu_name(),
        threads=torch.get_num_threads(),
        versions={
            "python": platform.python_version(),
            "torch": torch.__version__,
            "scikit-learn": sklearn.__version__,
            "numpy": np.__version__,
        },
    )


def cpu_name():
    """Model of the processor, where the system says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), "CPU")


@pytest.fixture(scope="session")
def ceiling():
    """Measure what the device can do at best, copying bytes and multiplying matrices."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    data, target = torch.ones(2, 2**25, device=device)
    matrix = torch.ones(1024, 1024, device=device)
    copied = best_seconds(lambda: target.copy_(data), device)
    product = best_seconds(lambda: torch.mm(matrix, matrix), device)
    return {"bytes": 2 * data.nbytes / copied, "flops": 2 * 1024**3 / product}


def best_seconds(function, device):
    """Shortest of ten times of a function, the device waited for."""
    seconds = []
    for _ in range(10):
        started = time.perf_counter()
        function()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


@pytest.fixture
def measure(benchmark, ceiling):
    """Time a function as ``measure(function, *args, group=..., n_images=...)``.

    One call more goes before the timed ones, to warm up, unless there is but one round; of the
    first call comes the peak memory. ``baseline=True`` marks what the others of the group are
    compared with. `n_bytes` and `flops` are what an image needs at least, to say which share of
    the `ceiling` is reached; `x` is the place on the axis of a plot that bears the group's name.
    """

    def run(
        function,
        *args,
        group,
        n_images,
        baseline=False,
        rounds=5,
        n_bytes=None,
        flops=None,
        x=None,
    ):
        benchmark.group = group
        extra = benchmark.extra_info
        peak = PeakMemory()
        if rounds > 1:
            function(*args)
            megabytes = peak.megabytes()
        result = benchmark.pedantic(waited_for(function), args, rounds=rounds)
        if rounds == 1:
            megabytes = peak.megabytes()
        rate = n_images / benchmark.stats.stats.median
        extra["images_per_s"] = rate
        if megabytes is not None:
            extra["peak_MB"] = max(round(megabytes), 0)
        if n_bytes is not None:
            extra["share_of_copying"] = rate * n_bytes / ceiling["bytes"]
        if flops is not None:
            extra["share_of_product"] = rate * flops / ceiling["flops"]
        if baseline:
            extra["baseline"] = True
        if x is not None:
            extra["x"] = x
        return result

    return run


def waited_for(function):
    """Return a function that ends when the GPU is done, too."""
    if not torch.cuda.is_available():
        return function

    def run(*args):
        result = function(*args)
        torch.cuda.synchronize()
        return result

    return run


class PeakMemory:
    """Memory at its peak since this was made, beyond what was there before."""

    def __init__(self):
        self._before = self._start()

    def megabytes(self):
        """Of the GPU where there is one, else of the process; None where the system is silent."""
        return None if self._before is None else (self._peak() - self._before) / 1e6

    def _start(self):
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
            return torch.cuda.memory_allocated()
        try:
            RESET.write_text("5")  # Linux forgets the highest value so far
        except OSError:
            return None
        return self._peak()

    def _peak(self):
        if torch.cuda.is_available():
            return torch.cuda.max_memory_allocated()
        lines = STATUS.read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
