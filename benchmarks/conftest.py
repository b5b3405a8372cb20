"""What all benchmarks note of a run: device, versions, images a second, memory, the ceiling."""

import platform
import time
from pathlib import Path

import numpy as np
import pytest
import sklearn
import torch

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
ON_GPU = torch.cuda.is_available()


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Run in one process: several would be in each other's way, and turn the timing off."""
    config.option.numprocesses = 0


def pytest_benchmark_update_machine_info(config, machine_info):
    """Note the device and the versions that decide how fast anything is."""
    machine_info.update(
        device=f"{torch.cuda.get_device_name()}, {cpu_name()}" if ON_GPU else cpu_name(),
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


@pytest.fixture(scope="module")
def device(request):
    """Say where a file computes: its ``DEVICE``, by default a GPU if there is one."""
    return torch.device(getattr(request.module, "DEVICE", "cuda" if ON_GPU else "cpu"))


@pytest.fixture(scope="module")
def ceiling(device):
    """Measure what the device can do at best, copying bytes and multiplying matrices."""
    on_gpu = device.type == "cuda"
    side = 8192 if on_gpu else 1024
    data, target = torch.ones(2, 2**25, device=device)
    copied = best_seconds(lambda: target.copy_(data), device)
    # Products of float32 as torch makes them by default; a GPU's are quicker in bfloat16.
    kinds = {"flops": torch.float32} | ({"bfloat16": torch.bfloat16} if on_gpu else {})
    found = {"bytes": 2 * data.nbytes / copied}
    for name, dtype in kinds.items():
        matrix = torch.ones(side, side, device=device, dtype=dtype)
        product = best_seconds(lambda matrix=matrix: torch.mm(matrix, matrix), device)
        found[name] = 2 * side**3 / product
    return found


def best_seconds(function, device):
    """Shortest of ten times of a function, the device waited for."""
    function = waited_for(function, device)
    function()
    seconds = []
    for _ in range(10):
        started = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


@pytest.fixture
def note(benchmark, ceiling):
    """Note what a benchmark has found as ``note(n_images=...)``, see `measure`."""

    def run(*, n_images, baseline=False, n_bytes=None, flops=None, bfloat16=None, x=None):
        extra = benchmark.extra_info
        rate = n_images / benchmark.stats.stats.median
        extra["images_per_s"] = rate
        if n_bytes is not None:
            extra["share_of_copying"] = rate * n_bytes / ceiling["bytes"]
        if flops is not None:
            extra["share_of_product"] = rate * flops / ceiling["flops"]
        if bfloat16 is not None:
            extra["share_of_bfloat16"] = rate * bfloat16 / ceiling["bfloat16"]
        if baseline:
            extra["baseline"] = True
        if x is not None:
            extra["x"] = x

    return run


@pytest.fixture
def measure(benchmark, note, device):
    """Time a function as ``measure(function, *args, group=..., n_images=...)``.

    One call more goes before the timed ones, to warm up, unless there is but one round; of the
    first call comes the peak memory. Each ends when the device is done. ``baseline=True`` marks
    what the others of the group are compared with. `n_bytes`, `flops` and `bfloat16` (products
    in that precision) are what an image needs at least, to say which share of the `ceiling` is
    reached; `x` is the place on the axis of a plot that bears the group's name.
    """

    def run(function, *args, group, rounds=5, **notes):
        benchmark.group = group
        function, peak = waited_for(function, device), PeakMemory(device)
        if rounds > 1:
            function(*args)
            megabytes = peak.megabytes()
        result = benchmark.pedantic(function, args, rounds=rounds)
        if rounds == 1:
            megabytes = peak.megabytes()
        note(**notes)
        if megabytes is not None:
            benchmark.extra_info["peak_MB"] = max(round(megabytes), 0)
        return result

    return run


@pytest.fixture
def record(benchmark, note):
    """Take over times of parts of something longer as ``record(seconds, group=..., ...)``.

    Such are the epochs of a fit, which on a GPU is captured in the first of them. `record` notes
    what `measure` notes, but for the memory.
    """

    def run(seconds, *, group, **notes):
        benchmark.group = group
        benchmark._mode = "record"  # pytest-benchmark has no public way in
        stats = benchmark._make_stats(iterations=1)
        for value in seconds:
            stats.update(value)
        note(**notes)

    return run


def waited_for(function, device):
    """Return a function that ends when the device is done, too."""
    if device.type != "cuda":
        return function

    def run(*args):
        result = function(*args)
        torch.cuda.synchronize()
        return result

    return run


class PeakMemory:
    """Memory at its peak since this was made, beyond what was there before.

    Parameters
    ----------
    device : torch.device
        A GPU, whose memory counts, or the CPU for that of the process.
    """

    def __init__(self, device):
        self._on_gpu = device.type == "cuda"
        self._before = self._start()

    def megabytes(self):
        """Say how much; None where the system is silent."""
        return None if self._before is None else (self._peak() - self._before) / 1e6

    def _start(self):
        if self._on_gpu:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            return torch.cuda.memory_allocated()
        try:
            RESET.write_text("5")  # Linux forgets the highest value so far
        except OSError:
            return None
        return self._peak()

    def _peak(self):
        if self._on_gpu:
            return torch.cuda.max_memory_allocated()
        lines = STATUS.read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
