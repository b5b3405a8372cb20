"""Nested containers with arrays in place of tensors, and back."""

import numpy as np
import torch
from torch.utils._pytree import tree_map_only

__all__ = ["as_arrays", "as_tensors"]


def as_arrays(state):
    """Copy nested containers with NumPy arrays in place of tensors, which may lie on a device."""
    return tree_map_only(torch.Tensor, _as_array, state)


def _as_array(tensor):
    tensor = tensor.detach().cpu()
    # NumPy has no bfloat16; float32 holds its numbers exactly.
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy().copy()


def as_tensors(state):
    """Turn what `as_arrays` made into tensors."""
    return tree_map_only(np.ndarray, lambda array: torch.from_numpy(np.array(array)), state)
