"""Train many adversarial autoencoders in one program: epochs, batches, histories."""

import time
from functools import partial

import numpy as np
import torch
from tqdm.auto import tqdm

from sklearn_cellfate.neural_network._batches import EpochBatches
from sklearn_cellfate.neural_network._captured_step import Graphs
from sklearn_cellfate.neural_network._device import seeded
from sklearn_cellfate.neural_network._kept_memory import memory_kept
from sklearn_cellfate.neural_network._schedule import lr_factor
from sklearn_cellfate.neural_network._stacked_adam import StackedAdam
from sklearn_cellfate.neural_network._stacked_job import StackedOutcome
from sklearn_cellfate.neural_network._stacked_program import LOSSES, StackedProgram, StackedState
from sklearn_cellfate.neural_network._stacked_random import OwnStreams, SharedStream
from sklearn_cellfate.torch_modules import MSSSIM

__all__ = ["train_stack"]


def train_stack(plan, jobs, *, verbose=False):
    """Train networks of one shape in one program.

    Parameters
    ----------
    plan : StackPlan
    jobs : list of StackedJob
    verbose : bool, default=False
        Show a progress bar over epochs.

    Returns
    -------
    outcomes : list of StackedOutcome
    """
    with memory_kept():
        return _Training(plan, jobs).run(verbose)


class _Training:
    """The epochs of one program."""

    def __init__(self, plan, jobs):
        self.plan, self.jobs = plan, jobs
        self.device = torch.device(plan.device)
        self.generators = [_generator(job) for job in jobs]
        self._indices = {}
        self.n_steps = np.zeros(len(jobs), dtype=int)
        self.outcomes = [StackedOutcome() for _ in jobs]
        self._load_rows()
        first = jobs[0]
        self.program = StackedProgram(
            first.module,
            first.discriminator,
            MSSSIM(first.images.shape[2:]).to(self.images),
            contrastive_form=plan.contrastive_form,
            prior=plan.prior,
            augment=plan.augment,
        )
        self.state = self._start()
        self.graphs = None
        if self._captures_steps:
            drawn_from = [self.state.randomness.generator]
            self.graphs = Graphs(self.device, generators=drawn_from)
        self.parts = {tuple(range(len(jobs))): self.state}

    def _start(self):
        settings = {
            name: self.images.new_tensor([job.settings[name] for job in self.jobs])
            for name in self.jobs[0].settings
        }
        betas = settings.pop("betas")
        autoencoder, discriminator = (
            StackedAdam(
                [dict(getattr(job, network).named_parameters()) for job in self.jobs],
                betas,
            )
            for network in ("module", "discriminator")
        )
        names = [name for name, _ in self.jobs[0].module.named_buffers()]
        states = [job.module.state_dict() for job in self.jobs]
        buffers = {
            name: torch.stack([state[name] for state in states]).to(self.device) for name in names
        }
        noise = settings.pop("noise_std"), settings.pop("dropout")
        return StackedState(
            autoencoder, discriminator, buffers, settings, self._randomness(*noise)
        )

    def _randomness(self, noise_std, dropout):
        if not self._draws_for_all:
            return OwnStreams(noise_std, dropout, self.generators)
        seed = torch.randint(2**62, (), generator=_generator(self.jobs[0])).item()
        return SharedStream(noise_std, dropout, torch.Generator(self.device).manual_seed(seed))

    def _load_rows(self):
        """Put the rows of all networks on the device, each array of images once."""
        arrays = {id(job.images): job.images for job in self.jobs}
        starts = dict(zip(arrays, np.cumsum([0, *map(len, arrays.values())])))
        self.first_image = [starts[id(job.images)] for job in self.jobs]
        self.images = torch.from_numpy(np.concatenate(list(arrays.values()))).to(self.device)
        self.codes = self.first_code = None
        if self.jobs[0].codes is not None:
            self.first_code = np.cumsum([0, *(len(job.codes) for job in self.jobs)])[:-1]
            codes = np.concatenate([job.codes for job in self.jobs])
            self.codes = torch.from_numpy(codes).to(self.device)

    def run(self, verbose):
        epochs = tqdm(
            range(self.plan.n_epochs),
            desc=f"{len(self.jobs)} fits at once",
            unit="epoch",
            disable=not verbose,
        )
        for epoch in epochs:
            self._run_epoch(epoch)
        self._gather()
        for member, outcome in enumerate(self.outcomes):
            if not outcome.diverged:
                self._finish(member, outcome)
        return self.outcomes

    def _run_epoch(self, epoch):
        started = time.perf_counter()
        pretraining = epoch < self.plan.pretrain_epochs
        members = [m for m, outcome in enumerate(self.outcomes) if not outcome.diverged]
        batches = {member: self._cut_batches(member) for member in members}
        rates, corrections, *rows = self._tabulate(epoch, batches)
        reports = []
        for step in range(len(rates)):
            for chosen, size in self._divide(step, batches):
                part = self.parts[chosen]
                columns = slice(None) if part is self.state else self._columns(chosen)
                inputs = [rates[step, columns], corrections[step, columns]]
                inputs += [table[step, :size, columns] for table in rows]
                reports.append((chosen, size, self._train(part, size, pretraining, inputs)))
        if members:
            self._record(epoch, pretraining, reports)
            share = (time.perf_counter() - started) / len(members)
            for member in members:
                if not self.outcomes[member].diverged:
                    self.outcomes[member].epochs[-1]["dur"] = share

    @property
    def _draws_for_all(self):
        return self.device.type != "cpu"

    @property
    def _captures_steps(self):
        return self.device.type == "cuda"

    def _train(self, part, size, pretraining, inputs):
        step = partial(self._step, part, pretraining)
        if self.graphs is None or part is not self.state:  # copies move from step to step
            return step(*inputs)
        return self.graphs((size, pretraining), step, *inputs)

    def _step(self, part, pretraining, rates, corrections, images, codes=None):
        return self.program.step(
            part,
            self.images[images],
            None if codes is None else self.codes[codes],
            (rates, corrections),
            pretraining=pretraining,
        )

    def _cut_batches(self, member):
        """Draw an epoch's batches of row numbers as a single fit would draw them."""
        job, generator = self.jobs[member], self.generators[member]
        batches = EpochBatches(
            job.images, None, self.plan.batch_size, torch.from_numpy(job.visits), shuffle=True
        )
        with seeded(0, torch.device("cpu")):
            torch.set_rng_state(generator.get_state())
            order = batches._draw_order()
            generator.set_state(torch.get_rng_state())
        n_batches = max(1, len(order) // self.plan.batch_size)
        return [rows.numpy() for rows in torch.tensor_split(order, n_batches)], len(batches)

    def _tabulate(self, epoch, batches):
        """Send what all steps of an epoch need to the device at once."""
        n_steps = max((len(parts) for parts, _ in batches.values()), default=0)
        widest = max((len(parts[0]) for parts, _ in batches.values()), default=0)
        rows = np.zeros((n_steps, widest, len(self.jobs)), dtype=np.int64)
        rates = np.ones((2, n_steps, len(self.jobs)))
        for member, (parts, n_planned) in batches.items():
            for step, part in enumerate(parts):
                rows[step, : len(part), member] = part
            steps = slice(0, len(parts))
            rates[:, steps, member] = self._schedule(member, epoch, len(parts), n_planned)
            self.n_steps[member] += len(parts)
        starts = [self.first_image] + ([] if self.codes is None else [self.first_code])
        return (
            *torch.from_numpy(rates).to(self.images.dtype).to(self.device),
            *(torch.from_numpy(rows + start).to(self.device) for start in starts),
        )

    def _schedule(self, member, epoch, n_batches, n_planned):
        """Adam's step sizes and second corrections of a network's steps in an epoch."""
        settings = self.jobs[member].settings
        first, second = settings["betas"]
        number = self.n_steps[member] + np.arange(1, n_batches + 1)
        progress = (epoch + (np.arange(n_batches) + 0.5) / n_planned) / self.plan.n_epochs
        factors = [lr_factor(share, self.plan.lr_schedule) for share in progress]
        return settings["lr"] * np.array(factors) / (1 - first**number), np.sqrt(
            1 - second**number
        )

    def _divide(self, step, batches):
        """Group the networks by the size of their batch in this step; those done have none.

        Batch norm and losses are means over a batch, so only batches of one size stack. Folds of
        nearly one size differ in few steps.
        """
        sizes = {}
        for member, (parts, _) in batches.items():
            if step < len(parts):
                sizes.setdefault(len(parts[step]), []).append(member)
        groups = [(tuple(members), size) for size, members in sorted(sizes.items())]
        wanted = {members for members, _ in groups}
        if not wanted <= set(self.parts):
            self._gather()
            if wanted != {tuple(range(len(self.jobs)))}:
                self.parts = {
                    members: self.state.take(members, self._columns(members)) for members in wanted
                }
        return groups

    def _gather(self):
        """Put networks that trained apart back among the others."""
        for members, part in self.parts.items():
            if part is not self.state:
                self.state.put(self._columns(members), part)
        self.parts = {tuple(range(len(self.jobs))): self.state}

    def _columns(self, members):
        if members not in self._indices:
            self._indices[members] = torch.tensor(members, device=self.device)
        return self._indices[members]

    def _record(self, epoch, pretraining, reports):
        """Average an epoch's losses; they leave the device here, all at once."""
        values = torch.cat([losses for _, _, losses in reports]).cpu().double().numpy()
        members = np.concatenate([chosen for chosen, _, _ in reports])
        sizes = np.concatenate([[size] * len(chosen) for chosen, size, _ in reports])
        for member in np.unique(members):
            own = members == member
            outcome = self.outcomes[member]
            if not np.isfinite(values[own]).all():
                outcome.diverged = True
                continue
            means = np.average(values[own], axis=0, weights=sizes[own])
            stage = 1 if pretraining else 2
            row = {"epoch": epoch + 1, "stage": stage}
            row |= {
                f"train_{name}": mean
                for name, mean in zip(LOSSES, means.tolist())
                if self._counts(member, name, pretraining)
            }
            past = [one["train_loss"] for one in outcome.epochs if one["stage"] == stage]
            row["train_loss_best"] = row["train_loss"] == min([*past, row["train_loss"]])
            outcome.epochs.append(row)

    def _counts(self, member, name, pretraining):
        """Whether a loss is one that a single fit would compute."""
        if name in ("loss", "discriminator"):
            return True
        if pretraining:
            return name in ("reconstruction", "adversarial")
        if name == "contrastive" and self.codes is None:
            return False
        return self.jobs[member].settings[name] != 0

    def _finish(self, member, outcome):
        for network in ("autoencoder", "discriminator"):
            adam = getattr(self.state, network)
            values, means, squares = adam.state(member)
            outcome.weights.append(dict(zip(adam.parameters, values)))
            outcome.optimizers.append(
                {"step": int(self.n_steps[member]), "exp_avg": means, "exp_avg_sq": squares}
            )
        outcome.weights[0] |= {
            name: tensor[member].cpu().clone() for name, tensor in self.state.buffers.items()
        }


def _generator(job):
    generator = torch.Generator()
    generator.set_state(job.generator_state)
    return generator
