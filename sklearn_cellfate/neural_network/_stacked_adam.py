"""Adam for many networks at once, each with a learning rate and decay rates of its own."""

import torch

__all__ = ["StackedAdam"]

EPS = 1e-8


class StackedAdam:
    """Weights of K networks in one matrix, and Adam's means of their gradients.

    Adam divides gradients by their size, so a learning rate cannot be folded into the loss of its
    network; it scales the step here. All weights together take a handful of calls a step.

    Parameters
    ----------
    weights : list of dict of str to Tensor
        Parameters of each network by name, of the same names and shapes.
    betas : Tensor of shape (K, 2)
        Decay rates of each network, on the device to train on.

    Attributes
    ----------
    parameters : dict of str to Tensor of shape (K, ...)
        Views of the matrix.

    References
    ----------
    Kingma and Ba (2015), doi:10.48550/arXiv.1412.6980.
    """

    def __init__(self, weights, betas):
        self._shapes = {name: tensor.shape for name, tensor in weights[0].items()}
        values = torch.stack(
            [torch.cat([tensor.detach().flatten() for tensor in one.values()]) for one in weights]
        )
        self._decays = betas
        self._adopt(values.to(betas.device))
        self._mean, self._square = torch.zeros_like(self._values), torch.zeros_like(self._values)

    def _adopt(self, values):
        self._values, self.parameters = values, {}
        sizes = [shape.numel() for shape in self._shapes.values()]
        for (name, shape), part in zip(self._shapes.items(), values.split(sizes, 1)):
            self.parameters[name] = part.unflatten(1, shape).requires_grad_()

    def step(self, losses, rates, corrections):
        """Update all networks.

        Parameters
        ----------
        losses : Tensor of shape (K,)
            Loss of each network.
        rates : Tensor of shape (K,)
            Learning rates, divided by one minus the first decay rate to the power of the number
            of the step.
        corrections : Tensor of shape (K,)
            Square root of the same for the second decay rate.
        """
        gradients = torch.autograd.grad(losses.sum(), list(self.parameters.values()))
        with torch.no_grad():
            gradient = torch.cat([one.flatten(1) for one in gradients], 1)
            first, second = self._decays[:, :1], self._decays[:, 1:]
            self._mean.lerp_(gradient, 1 - first)
            self._square.lerp_(gradient.square(), 1 - second)
            scale = (self._square.sqrt() / corrections[:, None]).add_(EPS)
            self._values.sub_(self._mean / scale * rates[:, None])

    def take(self, members):
        """Copy some of the networks, to update them apart from the others."""
        part = object.__new__(StackedAdam)
        part._shapes, part._decays = self._shapes, self._decays[members]
        part._mean, part._square = self._mean[members], self._square[members]
        part._adopt(self._values[members])
        return part

    def put(self, members, part):
        """Take over what has become of networks that were copied."""
        self._values.index_copy_(0, members, part._values)
        self._mean.index_copy_(0, members, part._mean)
        self._square.index_copy_(0, members, part._square)

    def state(self, member):
        """Give the weights and Adam's means of one network, as lists in the order of names."""
        sizes = [shape.numel() for shape in self._shapes.values()]
        return [
            [
                part.reshape(shape).cpu().clone()
                for part, shape in zip(matrix[member].split(sizes), self._shapes.values())
            ]
            for matrix in (self._values, self._mean, self._square)
        ]
