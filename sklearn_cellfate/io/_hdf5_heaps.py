"""The heaps of text in an HDF5 file, where damage sends the HDF5 library in circles."""

import mmap
import os
import struct

SIGNATURE = b"GCOL\1\0\0\0"  # with the version and three zeros
OBJECT = struct.Struct("<HH4xQ")
REFERENCE = struct.Struct("<IQI")  # length of a text, where its heap is, and which object
# Attributes are written before the pixels or after them; a film is not searched through.
MOST_BYTES_SEARCHED = 2**24


def refuse_damaged_heaps(path, where):
    """Refuse a file whose heaps of text cannot be read to their end.

    The library walks a heap by the sizes that its objects state, and never comes to the end of
    one of size 0. It takes as much memory for a text as the reference to it states, be it longer
    than the file. Looked through are the first and the last 16 MiB of the file.
    """
    if not os.path.getsize(path):
        return
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for heap in _places(data, SIGNATURE):
            if not _ends(data, heap):
                raise ValueError(
                    f"{where} is not a readable HDF5 file: its heap of text at byte {heap} is "
                    "damaged."
                )
            for place in _places(data, struct.pack("<Q", heap)):
                if _is_longer_than_the_file(data, place - 4):
                    raise ValueError(
                        f"{where} is not a readable HDF5 file: the text of which byte {place} "
                        "tells the place is longer than the file."
                    )


def _places(data, text):
    """Find a text in the first and the last part of the file."""
    size = len(data)
    later = max(size - MOST_BYTES_SEARCHED, MOST_BYTES_SEARCHED)
    for start, end in ((0, min(size, MOST_BYTES_SEARCHED)), (later, size)):
        place = data.find(text, start, end)
        while place >= 0:
            yield place
            place = data.find(text, place + 1, end)


def _ends(data, heap):
    """Whether the objects of a heap fill it exactly; one that is cut off, HDF5 refuses."""
    at = heap + len(SIGNATURE) + 8
    end = heap + int.from_bytes(data[at - 8 : at], "little")
    if end > len(data):
        return True
    while at + OBJECT.size <= end:
        number, _, size = OBJECT.unpack_from(data, at)
        # Number 0 is the room that is left, and counts its own header.
        step = OBJECT.size + (size + 7) // 8 * 8 if number else size
        if not OBJECT.size <= step <= end - at:
            return False
        at += step
    return True


def _is_longer_than_the_file(data, reference):
    if not 0 <= reference <= len(data) - REFERENCE.size:
        return False
    length, _, number = REFERENCE.unpack_from(data, reference)
    return length > len(data) and 0 < number < 2**16
