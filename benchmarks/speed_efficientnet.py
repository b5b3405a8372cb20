"""Hold EfficientNetClassifier's training speed against a loop written by hand.

Both do the same work on the same device: shuffled mini-batches of images that already lie there,
turned and mirrored at random, cross-entropy with label smoothing, clipped gradients, fused AdamW;
channels last, on CUDA also bfloat16. Epochs of both alternate, so that a busy machine slows
both:

    python benchmarks/speed_efficientnet.py
    python benchmarks/speed_efficientnet.py --variant s --size 300 --images 2048 --batch 128

The loop runs some epochs before, too: with the C library of Linux as it starts, which gives memory
back to the system after a step and faults it in again in the next. A fit keeps it
(``memory_kept``), and what the loop gains by running inside is printed.

Prints images a second of each, their ratio, and the share of the card's bfloat16 peak that the
convolutions' arithmetic makes, where --peak-tflops says what the peak is.
"""

import argparse
import time

import numpy as np
import torch
from skorch.callbacks import Callback
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from sklearn_cellfate.neural_network import EfficientNetClassifier
from sklearn_cellfate.torch_modules import EfficientNetV2, random_symmetries


class HandWrittenLoop:
    """A plain training loop, with everything that is known to help."""

    def __init__(self, images, labels, variant, batch_size, device):
        """Standardise pixels and build the network."""
        self.device = device
        self.on_cuda = device.type == "cuda"
        self.network = EfficientNetV2(images.shape[1:], 2, variant).to(
            device, memory_format=torch.channels_last
        )
        self.optimizer = torch.optim.AdamW(self.network.parameters(), 1e-3, fused=True)
        mean, std = (find((0, 2, 3), keepdims=True) for find in (images.mean, images.std))
        self.images = torch.from_numpy((images - mean) / std).to(device)
        self.labels = torch.from_numpy(labels).to(device)
        self.batch_size = batch_size

    def epoch(self):
        """Train on every image once; returns seconds."""
        self.network.train()
        self._wait()
        started = time.perf_counter()
        for rows in self._batches():
            images = self._augmented(rows)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.on_cuda):
                logits = self.network(images)
            loss = F.cross_entropy(logits.float(), self.labels[rows], label_smoothing=0.1)
            self.optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            self.optimizer.step()
        self._wait()
        return time.perf_counter() - started

    @torch.no_grad()
    def settle(self):
        """Average the statistics of batch norm over an epoch; returns seconds.

        What an estimator does at the end of a fit, since running means trail behind the weights.
        """
        started = time.perf_counter()
        self.network.eval()
        norms = [part for part in self.network.modules() if isinstance(part, nn.BatchNorm2d)]
        for norm in norms:
            norm.train().reset_running_stats()
            norm.momentum = None
        for rows in self._batches():
            self.network(self._augmented(rows))
        for norm in norms:
            norm.momentum = 0.1
        self._wait()
        return time.perf_counter() - started

    def _batches(self):
        order = torch.randperm(len(self.images)).to(self.device)
        return torch.tensor_split(order, len(order) // self.batch_size)

    def _augmented(self, rows):
        return random_symmetries(self.images[rows]).contiguous(memory_format=torch.channels_last)

    def _wait(self):
        if self.on_cuda:
            torch.cuda.synchronize()


class AlternateEpochs(Callback):
    """Time each epoch of the estimator and run one of the loop after it."""

    def __init__(self, loop):
        self.loop = loop

    def on_train_begin(self, net, **kwargs):
        """Start both lists."""
        self.seconds, self.loop_seconds = [], []

    def on_epoch_begin(self, net, **kwargs):
        """Start the clock."""
        self.loop._wait()
        self.started = time.perf_counter()

    def on_epoch_end(self, net, **kwargs):
        """Stop it, then time the loop."""
        self.loop._wait()
        self.seconds.append(time.perf_counter() - self.started)
        self.loop_seconds.append(self.loop.epoch())


def count_training_flops(network, images):
    """Floating-point operations of one image, forwards and backwards."""
    with FlopCounterMode(display=False) as counter:
        network(images).sum().backward()
    return counter.get_total_flops() / len(images)


def main():
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variant", default="tiny")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--peak-tflops", type=float, help="dense bfloat16 peak of the card")
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rng = np.random.default_rng(0)
    shape = (options.images, 1, options.size, options.size)
    images = rng.standard_normal(shape, dtype=np.float32)
    labels = np.arange(options.images) % 2
    loop = HandWrittenLoop(images, labels, options.variant, options.batch, device)
    flops = count_training_flops(loop.network, loop.images[:2])
    before = np.median([loop.epoch() for _ in range(options.epochs)])
    timer = AlternateEpochs(loop)
    EfficientNetClassifier(
        options.variant,
        max_epochs=options.epochs + 1,
        batch_size=options.batch,
        augment=True,
        callbacks=[timer],
        random_state=0,
    ).fit(images, labels)
    mine, theirs = (np.median(times[1:]) for times in (timer.seconds, timer.loop_seconds))
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    print(f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"EfficientNet-V2-{options.variant}, {options.size} px, batch {options.batch}")
    print(f"estimator {options.images / mine:.0f} images/s, loop {options.images / theirs:.0f}")
    print(f"loop before, with the C library as it starts: {options.images / before:.0f}")
    print(f"ratio {theirs / mine:.3f}, {flops / 1e9:.2f} GFLOP an image")
    if options.peak_tflops:
        share = options.images / mine * flops / (options.peak_tflops * 1e12)
        print(f"{share:.2f} of {options.peak_tflops:.0f} TFLOP/s")


if __name__ == "__main__":
    main()
