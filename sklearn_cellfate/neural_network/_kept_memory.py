"""Memory that a step frees and the next asks for again, kept in between."""

import ctypes
import platform
from contextlib import contextmanager

__all__ = ["memory_kept"]

# Parameters of glibc's mallopt, and their values: what the library comes to by itself in a program
# that has freed large blocks, and in the block no giving back at all.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
LARGEST_BLOCK = 2**25
USUAL, NEVER = 2 * LARGEST_BLOCK, 2**31 - 1


@contextmanager
def memory_kept():
    """Keep freed memory inside the block, where the C library is glibc.

    It would give the top of the heap back to the system after every step, and the next step would
    meet new pages, each a fault: 16 networks at once had 7000 a step, a tenth to a fifth of its
    time. What is free at the end goes back then.
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
