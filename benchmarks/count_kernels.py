"""Count what a captured training step launches on a GPU, and say how long that takes at least.

    python benchmarks/count_kernels.py

Needs no GPU: steps run on torch's meta device, whose tensors have shapes and no numbers, along the
way that a GPU takes. Views and mere allocations launch nothing, every other operation one kernel
or, where that is known, several. Kernels in a graph follow each other every 1.5 to 2.5
microseconds at best, however little they do: what a step of many small ones cannot go below.
"""

from collections import Counter

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from sklearn_cellfate.neural_network import AAEClassifier
from sklearn_cellfate.neural_network._autoencoder_net import AdversarialAutoencoderNet
from sklearn_cellfate.neural_network._stacked_adam import StackedAdam
from sklearn_cellfate.neural_network._stacked_program import StackedProgram, StackedState
from sklearn_cellfate.neural_network._stacked_random import SharedStream

BATCH, N_MEMBERS = 30, 100
MICROSECONDS = 1.5, 2.5
# Kernels of operations that launch none, or several. Of a list of tensors that come with divisors
# or factors of their own each takes one.
NONE = ("empty", "detach", "_record_function", "_reshape_alias", "_unsafe_view")
SEVERAL = {
    "convolution": 2,  # the product, and the bias
    "convolution_backward": 3,  # images, weights and bias
    "native_batch_norm": 2,
    "native_batch_norm_backward": 2,
    "logsumexp": 5,
    "binary_cross_entropy_with_logits": 5,
    "_foreach_norm": 2,
    "bernoulli_": -1,  # one for it and the two operations after it, on a GPU
}
# Counting steps, and the update, of two optimisers.
ADAM = 4


class Kernels(TorchDispatchMode):
    """Count operations, and the kernels that they launch."""

    def __init__(self):
        super().__init__()
        self.operations, self.kernels = Counter(), 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        """Call a function of torch."""
        name = function.overloadpacket.__name__
        returns = function._schema.returns
        is_view = any(
            one.alias_info is not None and not one.alias_info.is_write for one in returns
        )
        if not is_view and not name.startswith(NONE):
            self.operations[name] += 1
            own = len(args[0]) if name in ("_foreach_div", "_foreach_div_", "_foreach_mul") else 1
            self.kernels += SEVERAL.get(name, own)
        return function(*args, **(kwargs or {}))


def fitted_net():
    """Give a net of the paper's networks, at the beginning of stage two."""
    rng = np.random.default_rng(0)
    images, labels = rng.random((BATCH, 1, 20, 20)), np.arange(BATCH) % 2
    model = AAEClassifier(pretrain_epochs=0, max_epochs=1, batch_size=BATCH, device="cpu")
    return model.fit(images, labels).net_


def single_step(net):
    """Return a step of a net, on the meta device as if it were captured."""
    AdversarialAutoencoderNet._on_cuda = True
    torch.cuda.is_current_stream_capturing = lambda: True
    for module in (*net.networks.values(), net.criterion_):
        module.to("meta").train()
    for optimizer, network in zip(net.optimizers, net.networks.values()):
        optimizer.step = lambda: None  # fused, which the meta device lacks: see ADAM
        optimizer.zero_grad = network.zero_grad
    images = torch.empty(BATCH, 1, 20, 20, device="meta")
    labels = torch.empty(BATCH, dtype=torch.int64, device="meta")
    return lambda: net.train_step((images, labels))


def stacked_step(net):
    """Return a step of a hundred networks like that of a net in one program, on the same."""
    ones = torch.ones(N_MEMBERS, device="meta")
    program = StackedProgram(
        net.module_,
        net.discriminator_,
        net.criterion_.similarity.to("meta"),
        contrastive_form="in",
        prior="normal",
        augment=False,
    )
    randomness = SharedStream(torch.ones(N_MEMBERS), torch.full((N_MEMBERS,), 0.3), None)
    randomness.noise_std = randomness.dropout = ones
    optimizers = [
        StackedAdam([dict(network.named_parameters())] * N_MEMBERS, torch.stack([ones] * 2, 1))
        for network in net.networks.values()
    ]
    buffers = {
        name: torch.stack([tensor] * N_MEMBERS).to("meta")
        for name, tensor in net.module_.named_buffers()
    }
    weights = ("reconstruction", "adversarial", "contrastive", "covariance", "pretrain_ratio")
    settings = dict.fromkeys((*weights, "temperature", "real_label", "fake_label"), ones)
    state = StackedState(*optimizers, buffers, settings, randomness)
    images = torch.empty(BATCH, N_MEMBERS, 1, 20, 20, device="meta")
    labels = torch.empty(BATCH, N_MEMBERS, dtype=torch.int64, device="meta")
    schedule = torch.ones(2, N_MEMBERS, device="meta")
    return lambda: program.step(state, images, labels, schedule, pretraining=False)


def main():
    """Print the counts."""
    nets = fitted_net(), fitted_net()
    for name, step, apart in (
        ("one fit", single_step(nets[0]), ADAM),
        (f"{N_MEMBERS} fits in one program", stacked_step(nets[1]), 0),
    ):
        step()  # makes constants
        with Kernels() as counted:
            step()
        n_kernels = counted.kernels + apart
        low, high = (1e-3 * each * n_kernels for each in MICROSECONDS)
        print(f"{name}: {counted.operations.total()} operations, about {n_kernels} kernels,")
        print(
            f"    {low:.2f} to {high:.2f} ms a step, {5.4 * low:.1f} to {5.4 * high:.1f} s a fit"
        )
        most = ", ".join(f"{name} {n}" for name, n in counted.operations.most_common(12))
        print(f"    most: {most}")


if __name__ == "__main__":
    main()
