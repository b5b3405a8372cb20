"""joblib on a Dask cluster whose workers may be lost."""

import joblib

__all__ = ["register_dask"]

LARGE = 1e3  # bytes; joblib sends smaller arguments along with each task


def register_dask() -> None:
    """Let whatever runs under ``joblib.parallel_config("dask")`` survive the loss of a worker.

    joblib lays large arguments, the table above all, into the memory of one worker. If that
    worker is lost (killed, out of memory, its node taken back), so are they, and the search ends
    with a ``FutureCancelledError``. After this call joblib's backend ``"dask"`` hands them to the
    scheduler instead, which gives them to other workers again: what the lost worker was at is
    done once more elsewhere, and no result changes.

    The scheduler then holds a copy of each argument while a call runs. It lasts until the end of
    the process, and concerns every user of joblib in it.

    Raises
    ------
    ImportError
        If Dask is not there.

    Notes
    -----
    Dask tries a task that a worker was lost with three times more
    (``distributed.scheduler.allowed-failures``).

    Examples
    --------
    >>> import joblib
    >>> from distributed import Client
    >>> from sklearn_cellfate.utils import register_dask
    >>> register_dask()
    >>> client = Client(processes=False, dashboard_address=None)  # yours: "scheduler:8786"
    >>> with client, joblib.parallel_config("dask"):
    ...     joblib.Parallel()(joblib.delayed(abs)(number) for number in (-1, 2))
    [1, 2]
    """
    try:
        import distributed
    except ImportError as error:
        raise ImportError(
            'register_dask needs Dask: pip install "sklearn-cellfate[distributed]".'
        ) from error
    joblib.register_parallel_backend("dask", _make_backend(distributed))


def _make_backend(distributed):
    import dask
    from dask.sizeof import sizeof
    from joblib._dask import DaskDistributedBackend

    class RecoveringDaskBackend(DaskDistributedBackend):
        """Large arguments are results of tasks, which Dask computes again if they are lost."""

        data_futures: dict  # of joblib: what stands for an argument on the cluster, by its id
        _scatter: list  # and the arguments themselves

        def start_call(self):
            self._given = dict(self.data_futures), list(self._scatter)
            super().start_call()

        def stop_call(self):
            super().stop_call()
            self.data_futures, self._scatter = self._given

        async def _to_func_args(self, func):
            for _, args, kwargs in func.items:
                for value in (*args, *kwargs.values()):
                    if id(value) not in self.data_futures and sizeof(value) > LARGE:
                        self._scatter.append(value)  # as long as it lives, its id is its own
                        self.data_futures[id(value)] = self._hold(value)
            return await super()._to_func_args(func)

        def _hold(self, value):
            # Dask warns of arguments of ten megabytes, which it would not have to hold.
            with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
                return self.client.submit(_same, value, pure=False)

        def get_nested_backend(self):
            return type(self)(client=self.client), -1

        def __reduce__(self):
            return (_make_backend_here, ())

    return RecoveringDaskBackend


def _make_backend_here():
    import distributed

    return _make_backend(distributed)()


def _same(value):
    return value
