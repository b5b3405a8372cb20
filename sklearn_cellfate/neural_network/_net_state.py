"""What a skorch net carries from one fit, file or process to the next."""

import copy

from skorch.history import History

from sklearn_cellfate.neural_network._arrays import as_arrays, as_tensors

__all__ = ["StateMixin"]


class StateMixin:
    """Copies of weights, optimisers and history, of a net with `networks` and `optimizers`."""

    def get_weights(self):
        """Copy the networks' weights, as NumPy arrays by name."""
        return {
            f"{prefix}.{name}": tensor.detach().cpu().numpy().copy()
            for prefix, network in self.networks.items()
            for name, tensor in network.state_dict().items()
        }

    def set_weights(self, weights):
        """Load what `get_weights` returned, or tensors in place of its arrays."""
        weights = as_tensors(weights)
        for prefix, network in self.networks.items():
            network.load_state_dict(
                {name: weights[f"{prefix}.{name}"] for name in network.state_dict()}
            )

    def get_state(self, with_optimizers):
        """Copy what a pickle needs: weights and history, and the optimisers if asked."""
        optimizers = self.optimizers if with_optimizers else ()
        return {
            "device": str(self.device),
            "history": self.history,
            "weights": self.get_weights(),
            "optimizers": [as_arrays(optimizer.state_dict()) for optimizer in optimizers],
        }

    def set_state(self, state):
        """Take over what `get_state` returned."""
        self.set_weights(state["weights"])
        self.history = state["history"]
        for optimizer, arrays in zip(self.optimizers, state["optimizers"]):
            optimizer.load_state_dict(as_tensors(arrays))

    def resume(self, state):
        """Go on with an interrupted fit.

        Parameters
        ----------
        state : dict
            As of `get_state` with optimisers, with tensors in place of arrays and the history as
            a list of dicts.
        """
        self.set_state(state | {"history": History(state["history"])})
        self._best_weights = self._copy_weights()

    def copy(self):
        """Net with the same weights, optimisers and history, to be trained in place of this."""
        twin = object.__new__(type(self))
        left = {"callbacks", "callbacks_"}  # which need not be such as can be copied
        state = {name: value for name, value in vars(self).items() if name not in left}
        vars(twin).update(copy.deepcopy(state))
        return twin

    def _copy_weights(self):
        """Copy the networks' weights on their device, without waiting for it."""
        return [
            {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
            for network in self.networks.values()
        ]

    def _put_weights(self, weights):
        for network, tensors in zip(self.networks.values(), weights):
            network.load_state_dict(tensors)
