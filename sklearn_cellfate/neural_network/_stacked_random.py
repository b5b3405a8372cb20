"""Random numbers of stacked networks: noise, dropout, draws of the prior, symmetries."""

import math

import torch

from sklearn_cellfate.torch_modules._blocks import draw_words, kept_from

__all__ = ["OwnStreams", "SharedStream"]


class _Streams:
    """What networks that train together draw; each has its own noise and dropout.

    Parameters
    ----------
    noise_std, dropout : Tensor of shape (K,)
        Settings of each network, on its device.
    """

    def __init__(self, noise_std, dropout):
        self.noise_std, self.dropout = noise_std, dropout
        # As lists too, so that no step has to ask the device for them.
        self._noise_std, self._dropout = noise_std.tolist(), dropout.tolist()

    @property
    def n_members(self):
        """Networks."""
        return len(self._noise_std)

    def add_noise(self, x):
        """Add Gaussian noise to a tensor of shape (K, n, ...)."""
        if not any(self._noise_std):
            return x
        noise = self._normal(x.shape, self._noise_std)
        return torch.addcmul(x, noise, _beside(self.noise_std, x))

    def drop(self, x):
        """Set a share of a tensor of shape (K, n, ...) to zero and enlarge the rest."""
        if not any(self._dropout):
            return x
        return x * self._kept(x.shape)

    def prior(self, shape, kind):
        """Draw latents of shape (K, n, d) from the prior, of mean 0 and variance 1."""
        if kind == "normal":
            return self._normal(shape, [1.0] * self.n_members)
        return (2 * self._uniform(shape) - 1) * 3**0.5

    def symmetries(self, images):
        """Flip and, where square, transpose each image of shape (n, K, C, H, W) at random."""
        images = self._randomly(images, images.flip(-1))
        images = self._randomly(images, images.flip(-2))
        square = images.shape[-1] == images.shape[-2]
        return self._randomly(images, images.mT) if square else images

    def _randomly(self, images, changed):
        coins = self._uniform((self.n_members, len(images))).t() < 0.5
        return torch.where(coins[:, :, None, None, None], changed, images)


class OwnStreams(_Streams):
    """Draw for each network what it would draw if it were trained alone on a CPU.

    Parameters
    ----------
    noise_std, dropout : Tensor of shape (K,)
    generators : list of K torch.Generator
        In the state that torch's own would be in.
    """

    def __init__(self, noise_std, dropout, generators):
        super().__init__(noise_std, dropout)
        self.generators = generators
        thresholds, factors = zip(*map(kept_from, self._dropout))
        self._thresholds = torch.tensor(thresholds, dtype=torch.int16)[:, None]
        self._factors = noise_std.new_tensor(factors)

    def take(self, members):
        """Return the streams of some of the networks."""
        chosen = torch.tensor(members)
        return OwnStreams(
            self.noise_std[chosen],
            self.dropout[chosen],
            [self.generators[member] for member in members],
        )

    # A setting of zero draws nothing, as in the layers of a single network.

    def _normal(self, shape, settings):
        numbers = self.noise_std.new_empty(shape)
        for row, generator, setting in zip(numbers.unbind(), self.generators, settings):
            if setting:
                row.normal_(generator=generator)
            else:
                row.zero_()
        return numbers

    def _kept(self, shape):
        # As the layer of a single network draws them; only the draws are network by network.
        n_features = math.prod(shape[1:])
        words = torch.zeros(shape[0], (n_features + 3) // 4, dtype=torch.int64)
        for row, generator, dropout in zip(words.unbind(), self.generators, self._dropout):
            if dropout:
                draw_words(row, generator)
        kept = words.view(torch.int16)[:, :n_features] >= self._thresholds
        numbers = kept.view(shape).to(self._factors.dtype)
        return numbers.mul_(_beside(self._factors, numbers))

    def _uniform(self, shape):
        numbers = self.noise_std.new_empty(shape)
        for row, generator in zip(numbers, self.generators):
            row.uniform_(generator=generator)
        return numbers


class SharedStream(_Streams):
    """Draw for all networks in one call, which a GPU needs: other numbers than alone.

    Parameters
    ----------
    noise_std, dropout : Tensor of shape (K,)
    generator : torch.Generator
        On the device.
    """

    def __init__(self, noise_std, dropout, generator):
        super().__init__(noise_std, dropout)
        self.generator = generator

    def take(self, members):
        """Return a stream for some of the networks."""
        chosen = torch.tensor(members, device=self.noise_std.device)
        return SharedStream(self.noise_std[chosen], self.dropout[chosen], self.generator)

    def _normal(self, shape, settings):
        return self.noise_std.new_empty(shape).normal_(generator=self.generator)

    def _kept(self, shape):
        keep = 1 - _beside(self.dropout, torch.empty(shape, device="meta"))
        return (self._uniform(shape) < keep) / keep

    def _uniform(self, shape):
        return self.noise_std.new_empty(shape).uniform_(generator=self.generator)


def _beside(setting, x):
    """Shape one number a network so that it goes with a tensor of shape (K, n, ...)."""
    return setting.view(-1, *[1] * (x.ndim - 1))
