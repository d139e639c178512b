"""EB Train (You et al. 2020): train until the mask stops moving, cut the network to it, retrain."""

import math
from typing import Any, Dict, List, Optional, Sequence

import torch
from torch import Tensor

from joulebird.baselines.models.base import Prunable, cpu_state
from joulebird.baselines.pruning import channels
from joulebird.baselines.training.hooks import Hook, Hooks
from joulebird.baselines.training.loop import train
from joulebird.baselines.training.precision import averaging_start, check_precision, low_precision
from joulebird.baselines.training.task import Result, Task
from joulebird.harness.core.errors import require


def eb_train(
    task: Task,
    run: Any,
    *,
    epsilon: float = 0.1,
    window: int = 5,
    criterion: str = "paper",
    draw_at: Optional[int] = None,
    weights: str = "inherit",
    restart: bool = False,
    keep_sparsity: bool = True,
    search_precision: str = "fp32",
    retrain_precision: str = "fp32",
    search_lr: Optional[float] = None,
    search_milestones: Optional[Sequence[int]] = None,
) -> Any:
    """Find the Early-Bird ticket, cut the network to it, train the thin network.

    `criterion`: "paper" ends the search when `window` distances between consecutive epochs' masks
    are all below `epsilon` (Algorithm 1); "code", the authors' program, when the newest of `window`
    masks is at most `epsilon` from each of the others. `draw_at` draws the ticket after that many
    epochs instead, as Figure 1 and Tables 1 and 4 do.

    `weights`: "inherit" keeps the search's weights and goes on at the search's epoch in the
    schedule (Table 2's EB Train); "reinit" draws new ones and trains the whole schedule (its "EB
    Train (re-init)"); "rewind" takes the search's own initial weights, and trains the whole
    schedule. `restart` trains the whole schedule with inherited weights too (Tables 1 and 4).
    `keep_sparsity` keeps the L1 term while retraining, as the authors' scripts do.

    `search_precision`, `retrain_precision`: "fp32", "bfp8" or "wage8"
    (joulebird.baselines.training.precision). Table 2's EB Train (LF) searches in "bfp8", its EB
    Train (LL) retrains in it too, with the weights averaged from epoch 140 of 160 on.

    `search_lr` and `search_milestones` replace the schedule's while searching alone: Table 1
    searches with [0, 100], so from 0.01 on, and retrains every ticket with [80, 120].
    """
    epochs = task.schedule.epochs
    Finder(task.prune_ratio, epsilon, window, criterion, draw_at, epochs)  # checks its options
    check_weights(weights)
    check_precision("search_precision", search_precision)
    check_precision("retrain_precision", retrain_precision)
    ticket = run.stage(
        "search",
        find_ticket,
        search_task(task, search_lr, search_milestones),
        task.prune_ratio,
        sparsity=task.sparsity,
        epsilon=epsilon,
        window=window,
        criterion=criterion,
        draw_at=draw_at,
        precision=search_precision,
    )
    thin = run.stage("prune", thin_ticket, task, ticket, weights=weights)
    return run.stage(
        "retrain",
        train_thin,
        task,
        thin,
        restart=restart or weights != "inherit",
        sparsity=task.sparsity if keep_sparsity else 0.0,
        precision=retrain_precision,
    )


def search_task(
    task: Task, lr: Optional[float] = None, milestones: Optional[Sequence[int]] = None
) -> Task:
    """Return the task with the search's schedule; None keeps the task's own value."""
    schedule = task.schedule
    if lr is not None:
        require(0 < lr < float("inf"), "search_lr", lr, "above 0")
        schedule = schedule._replace(lr=lr)
    if milestones is not None:
        rising = list(milestones) == sorted(set(milestones)) and min(milestones, default=0) >= 0
        require(rising, "search_milestones", list(milestones), "rising epochs from 0 on: [0, 100]")
        schedule = schedule._replace(milestones=tuple(milestones))
    return task._replace(schedule=schedule)


def find_ticket(
    stage: Any,
    task: Task,
    ratio: float,
    *,
    sparsity: float,
    epsilon: float = 0.1,
    window: int = 5,
    criterion: str = "paper",
    draw_at: Optional[int] = None,
    precision: str = "fp32",
) -> Result:
    """Train with L1 until the mask at `ratio` has settled: the search.

    The result is that of `train` with "masks", "found" and "distances" (of consecutive masks).
    Metrics: `epochs_trained` (t* of Algorithm 1) and `paper_n`, one more: the epoch that the
    authors' files and tables name. If the mask never settles, the ticket is the last epoch's, with
    a warning.
    """
    channels.check_ratio(ratio)
    finder = Finder(ratio, epsilon, window, criterion, draw_at, task.schedule.epochs)
    hook = Hooks([*low_precision(precision), finder])
    trained = train(stage, task, sparsity=sparsity, hook=hook, precision=precision)
    epochs = trained["epoch"]
    if not finder.found:
        finder.warn(stage, epochs)
    stage.metric(epochs_trained=epochs, paper_n=epochs + 1, ticket_found=finder.found)
    masks = list(finder.masks[-1].split(finder.sizes))
    return dict(trained, masks=masks, found=finder.found, distances=finder.distances)


class Finder(Hook):
    """Compares the masks of consecutive epochs and ends the training once the mask has settled.

    `masks` are the newest ones, flat, up to the newest epoch's; `distances` those of each epoch's
    mask to the one before it.
    """

    saved = ("masks", "distances", "found")

    def __init__(
        self,
        ratio: float,
        epsilon: float,
        window: int,
        criterion: str,
        draw_at: Optional[int],
        epochs: int,
    ) -> None:
        require(criterion in ("paper", "code"), "criterion", criterion, '"paper" or "code"')
        require(
            draw_at is None or 1 <= draw_at <= epochs,
            "draw_at",
            draw_at,
            f"from 1 to the schedule's {epochs} epochs",
        )
        require(window >= 2, "window", window, "at least 2")
        require(
            0 < epsilon < float("inf") or (epsilon == 0 and criterion == "code"),
            "epsilon",
            epsilon,
            'above 0 (or 0 with criterion "code")',
        )
        self.ratio, self.draw_at = ratio, draw_at
        self.epsilon, self.window, self.criterion = epsilon, window, criterion
        self.masks: List[Tensor] = []
        self.sizes: List[int] = []
        self.distances: List[float] = []
        self.found = False

    def begin(self, loop: Any) -> None:
        """Note the sizes of the layers."""
        self.sizes = [len(scale) for scale in loop.model.scales()]

    def started(self, loop: Any) -> None:
        """Note the initial mask, the authors' first: empty, since all scales are equal."""
        self._note(loop.model)

    def epoch_end(self, loop: Any, epoch: int, accuracy: float) -> bool:
        """Note the epoch's mask; end the training with the epoch of the ticket."""
        self._note(loop.model)
        newest = self._to_newest()
        self.distances.append(newest[-1])
        loop.stage.metric(mask_distance=newest[-1])
        settled = self._settled(self.recent(newest))
        self.found = settled if self.draw_at is None else epoch + 1 == self.draw_at
        return self.found

    def _settled(self, recent: List[float]) -> bool:
        largest = max(recent, default=math.inf)
        near = largest < self.epsilon or (self.criterion == "code" and largest == self.epsilon)
        return near and len(recent) == self.wanted

    @property
    def wanted(self) -> int:
        """The number of distances that decide."""
        return self.window if self.criterion == "paper" else self.window - 1

    def recent(self, newest: List[float]) -> List[float]:
        """Return the newest deciding distances: of consecutive masks, or `newest` ("code")."""
        # the first consecutive distance is to the empty initial mask and decides nothing
        return self.distances[1:][-self.window :] if self.criterion == "paper" else newest

    def warn(self, stage: Any, epochs: int) -> None:
        """Warn that the mask has not settled within `epochs`."""
        recent = self.recent(self._to_newest())
        stage.warn(
            "ticket_not_found",
            epsilon=self.epsilon,
            epochs=epochs,
            have=len(recent),
            wanted=self.wanted,
            distance=round(max(recent), 4) if recent else None,
        )

    def _note(self, model: Prunable) -> None:
        mask = torch.cat(channels.ranked_masks(model.scales(), self.ratio))
        self.masks = [*self.masks, mask][-self.window :]

    def _to_newest(self) -> List[float]:
        """Return the distances of the newest mask to those before it, the oldest first."""
        return [channels.mask_distance([self.masks[-1]], [mask]) for mask in self.masks[:-1]]

    def load_state(self, state: Dict[str, Any]) -> None:
        """Restore the masks and distances. Raises ValueError for masks of another network."""
        super().load_state(state)
        count = sum(self.sizes)
        if not self.masks or any(mask.shape != (count,) for mask in self.masks):
            raise ValueError(f"its masks are not of {count} channels")


def check_weights(weights: str) -> None:
    """Refuse an unknown choice of the ticket's weights."""
    require(
        weights in ("inherit", "rewind", "reinit"),
        "weights",
        weights,
        '"inherit", "rewind" or "reinit"',
    )


def thin_ticket(stage: Any, task: Task, ticket: Result, *, weights: str = "inherit") -> Result:
    """Cut the network to the masks of a search's result; return a `ThinNetwork` as a dict.

    Its weights are the search's, its initial ones ("rewind") or new ones ("reinit").
    """
    check_weights(weights)
    model, masks = task.network(ticket), ticket["masks"]
    thin = channels.cut_network(stage, task, model, masks, ticket["epoch"])
    if weights == "rewind":
        # the channel that an emptied layer keeps depends on the trained scales
        rewound = task.build().cut(model.kept_channels(masks).channels)
        thin = thin._replace(state=cpu_state(rewound))
    elif weights == "reinit":
        fresh = cpu_state(task.build(thin.widths, seed=task.seed + 1))
        kept = {name: thin.state[name] for name in fresh if name.endswith("select.index")}
        thin = thin._replace(state=dict(fresh, **kept))
    return dict(thin._asdict())


def train_thin(
    stage: Any,
    task: Task,
    thin: Result,
    *,
    restart: bool,
    sparsity: float,
    precision: str = "fp32",
) -> Result:
    """Train a `ThinNetwork` for the rest of the schedule, or (`restart`) for the whole of it.

    A search that took the whole schedule leaves nothing to train: a warning, since the accuracy is
    then that of the bare cut.
    """
    epochs, searched = task.schedule.epochs, thin["epoch"]
    if not restart and searched >= epochs:
        stage.warn("not_retrained", epochs=epochs)
    average_from = averaging_start(task.schedule) if precision == "bfp8" else None
    return train(
        stage,
        task,
        thin,
        from_epoch=0 if restart else searched,
        sparsity=sparsity,
        hook=Hooks(low_precision(precision, average_from, epochs, False)),
        precision=precision,
    )
