"""Training with less memory: activations are computed again when gradients need them.

Splitting a batch that does not fit would be another fit: batch norm, the contrastive and the
covariance loss compare the rows of a whole batch. Computing the same activations twice is not.
"""

import contextlib
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

__all__ = ["copy_buffers", "put_buffers", "recomputed"]


@contextlib.contextmanager
def recomputed(network):
    """Let the blocks of a network keep their inputs only, for forward passes in the block.

    Parameters
    ----------
    network : Module
        Its gradients come out bit for bit as without, where the device computes the same twice.
    """
    blocks = list(_blocks_of(network))
    try:
        for block in blocks:
            block.forward = partial(
                checkpoint,
                block.forward,
                use_reentrant=False,
                context_fn=partial(_same_buffers, block),
            )
        yield
    finally:
        for block in blocks:
            vars(block).pop("forward", None)  # that of the class is back


def _blocks_of(network):
    """Yield residual blocks and their like: those parts of chains that have parts themselves."""
    for part in network.children():
        parts = list(part.children())
        is_chain = type(part).forward is nn.Sequential.forward
        if is_chain and any(next(child.children(), None) is not None for child in parts):
            yield from _blocks_of(part)
        elif parts and type(network).forward is nn.Sequential.forward:
            yield part


def _same_buffers(block):
    """Contexts of the first pass and of the second, which must start from the same buffers.

    A pass in training changes them: running means of batch norm, vectors of power iterations.
    """
    at_start = []

    @contextlib.contextmanager
    def first():
        at_start.extend(copy_buffers(block))
        yield

    @contextlib.contextmanager
    def second():
        now = list(_buffers(block))
        put_buffers(at_start)
        try:
            yield
        finally:
            put_buffers(now)

    return first(), second()


def _buffers(network):
    for module in network.modules():
        for name, tensor in module._buffers.items():  # those that are None, too
            yield module, name, tensor


def copy_buffers(network):
    """Copy the buffers of a network, for `put_buffers`."""
    return [
        (module, name, None if tensor is None else tensor.clone())
        for module, name, tensor in _buffers(network)
    ]


def put_buffers(buffers):
    """Give modules their buffers back."""
    for module, name, tensor in buffers:
        setattr(module, name, tensor)
