"""What stands in a file for objects that skops cannot write, and turns into them when called."""

import numpy as np
import pandas as pd
from sklearn.utils.metadata_routing import MetadataRequest

__all__ = ["StandIn", "StoredDict", "StoredFrame", "StoredRequests"]


class StandIn:
    """Base: holds arguments; the class called with them gives the object, not a stand-in.

    A subclass has ``__new__``, which a loader calls: it must check what it gets, for the
    arguments come from a file.
    """

    arguments: tuple

    @classmethod
    def of(cls, *arguments):
        """Return a stand-in."""
        stored = object.__new__(cls)
        stored.arguments = arguments
        return stored

    def __reduce__(self):
        """Say how the object is built."""
        return type(self), self.arguments


class StoredFrame(StandIn):
    """Stands for a data frame of plain columns, numbered from 0."""

    def __new__(cls, names, columns):
        found = {type(names), *map(type, columns)}
        if not found <= {list, np.ndarray}:
            raise TypeError(f"a data frame is made of {found}")
        return pd.DataFrame(dict(zip(names, columns)), columns=names)


class StoredDict(StandIn):
    """Stands for a dict whose keys are not all text."""

    def __new__(cls, keys, values):
        return dict(zip(keys, values))


class StoredRequests(StandIn):
    """Stands for what an estimator asks of metadata routing; its owner is there for display."""

    def __new__(cls, owner, requests):
        found = {type(requests), *map(type, dict.values(requests))}
        if found != {dict}:
            raise TypeError(f"requests for metadata are {found}")
        request = MetadataRequest(owner=owner)
        for method, aliases in requests.items():
            for parameter, alias in aliases.items():
                getattr(request, method).add_request(param=parameter, alias=alias)
        return request
