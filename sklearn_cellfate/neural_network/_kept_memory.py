"""Memory that a step frees and the next asks for again, kept in between."""

import ctypes
import os
import platform
from contextlib import contextmanager

import torch

__all__ = ["keep_freed_memory", "memory_kept"]

# Parameters of glibc's mallopt, and their values: what the library comes to by itself in a program
# that has freed large blocks, and in the block no giving back at all.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
LARGEST_BLOCK = 2**25
USUAL, NEVER = 2 * LARGEST_BLOCK, 2**31 - 1
# The largest from which it learns, less room for a header and whole pages.
LESSON = LARGEST_BLOCK - 2**14


def keep_freed_memory():
    """Let glibc keep what a forward pass frees for the next, up to 64 MB, from now on.

    At first it gives large blocks back to the system as they are freed, and the next pass waits
    for new pages. Of every larger block that is freed it learns to keep such, up to 32 MB, and
    twice as much at the end of its heap. So one that is never touched spares a process the slow
    beginning. Training needs more, see `memory_kept`.
    """
    torch.empty(LESSON, dtype=torch.uint8)


@contextmanager
def memory_kept():
    """Keep freed memory inside the block, where the C library is glibc.

    It would give the top of the heap back to the system after every step, and the next step would
    meet new pages, each a fault: 16 networks at once had 7000 a step, an EfficientNet on images of
    64 pixels 20 000, a tenth to a fifth of its time. What is free at the end goes back then.
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    library = ctypes.CDLL(None)
    library.mallopt(MMAP_THRESHOLD, LARGEST_BLOCK)
    library.mallopt(TRIM_THRESHOLD, NEVER)
    try:
        yield
    finally:
        library.mallopt(TRIM_THRESHOLD, USUAL)
        library.malloc_trim(0)


def is_set_by_user():
    """Whether the environment says how much freed memory glibc keeps."""
    names = "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_"
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    return "glibc.malloc" in tunables or any(name in os.environ for name in names)
