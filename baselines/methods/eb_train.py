"""EB Train (You et al. 2020): train until the pruning mask stops moving, cut the network to it, train what remains."""

from typing import Any, Dict, List, Optional, Sequence

import torch
from torch import Tensor  # noqa: F401 (type comments)

from joulebird.baselines.methods.network_slimming import thinned
from joulebird.baselines.pruning import channels
from joulebird.baselines.training.hooks import Watch
from joulebird.baselines.training.loop import train
from joulebird.baselines.training.precision import averaging_start, check_precision, watched
from joulebird.baselines.training.task import Task
from joulebird.harness.core.errors import SpecError, require


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

    `criterion`: "paper" ends the search when `window` distances between consecutive epochs' masks are all below `epsilon` (Algorithm 1);
    "code", the authors' program, when the newest of `window` masks is at most `epsilon` from each of the others. `draw_at` draws the
    ticket after that many epochs instead, as Figure 1 and Tables 1 and 4 do.

    `weights`: "inherit" keeps the search's weights and goes on at the search's epoch in the schedule (Table 2's EB Train); "reinit"
    draws new ones and trains the whole schedule (its "EB Train (re-init)"); "rewind" takes the search's own initial weights, and trains the
    whole schedule. `restart` trains the whole schedule with inherited weights too (Tables 1 and 4).
    `keep_sparsity` keeps the L1 term while retraining, as the authors' scripts do.

    `search_precision`, `retrain_precision`: "fp32", "bfp8" or "wage8" (joulebird.baselines.training.precision). Table 2's EB Train (LF) searches
    in "bfp8", its EB Train (LL) retrains in it too, with the weights averaged from epoch 140 of 160 on.

    `search_lr` and `search_milestones` replace the schedule's while searching alone: Table 1 searches with [0, 100], so from 0.01 on, and
    retrains every ticket with [80, 120].
    """
    Finder(
        task.prune_ratio, epsilon, window, criterion, draw_at, task.schedule.epochs
    )  # refuses the impossible at once
    check_weights(weights)
    check_precision("search_precision", search_precision)
    check_precision("retrain_precision", retrain_precision)
    searching = search_task(task, search_lr, search_milestones)
    ticket = run.stage(
        "search",
        find_ticket,
        searching,
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
        train_ticket,
        task,
        thin,
        restart=restart or weights != "inherit",
        sparsity=task.sparsity if keep_sparsity else 0.0,
        precision=retrain_precision,
    )


def search_task(
    task: Task, lr: Optional[float] = None, milestones: Optional[Sequence[int]] = None
) -> Task:
    """The task with the schedule of the search; what is None is the training's own. Raises SpecError for an impossible one."""
    schedule = task.schedule
    if lr is not None:
        require(0 < lr < float("inf"), "search_lr", lr, "above 0")
        schedule = schedule._replace(lr=lr)
    if milestones is not None:
        if list(milestones) != sorted(set(milestones)) or min(milestones, default=0) < 0:
            raise SpecError(
                f"search_milestones are {list(milestones)}",
                "they must be epochs from 0 on that increase: [0, 100]",
            )
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
) -> Dict[str, Any]:
    """Train with L1 until the mask at pruning ratio `ratio` has settled; the result adds "masks", "found" and "distances" to the network.

    Metrics: `epochs_trained` (t* of Algorithm 1) and `paper_n`, one more: the epoch the authors' files and tables name. When the mask never
    settles, the last epoch's is taken, with a warning.
    """
    channels.check_ratio(ratio)
    finder = Finder(ratio, epsilon, window, criterion, draw_at, task.schedule.epochs)
    trained = train(
        stage, task, sparsity=sparsity, watch=watched(precision, finder), precision=precision
    )
    if not finder.found:
        recent = finder.recent(finder._near())
        stage.warn(
            "ticket_not_found",
            epsilon=epsilon,
            epochs=trained["epoch"],
            have=len(recent),
            wanted=finder.wanted,
            distance=round(max(recent), 4) if recent else None,
        )
    stage.metric(
        epochs_trained=trained["epoch"], paper_n=trained["epoch"] + 1, ticket_found=finder.found
    )
    masks = list(finder.masks[-1].split(finder.sizes))
    return dict(trained, masks=masks, found=finder.found, distances=finder.distances)


class Finder(Watch):
    """Follows the mask from epoch to epoch and ends the training once it has settled.

    `masks`: the newest of them, flat, the last one after the newest epoch. `distances`: of each epoch's mask to the one before it.
    """

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
            f"from 1 (before, all scales are equal) to the schedule's {epochs} epochs",
        )
        require(window >= 2, "window", window, "at least 2")
        require(
            0 < epsilon < float("inf") or (epsilon == 0 and criterion == "code"),
            "epsilon",
            epsilon,
            'above 0 (0 with "code" too)',
        )
        self.ratio, self.epsilon, self.window, self.criterion, self.draw_at = (
            ratio,
            epsilon,
            window,
            criterion,
            draw_at,
        )
        self.masks, self.sizes, self.distances = [], [], []  # type: List[Tensor], List[int], List[float]
        self.found = False

    def begin(self, loop: Any) -> None:
        self.sizes = [len(scale) for scale in loop.model.scales()]

    def started(self, loop: Any) -> None:
        self._put(
            loop.model
        )  # the authors' first mask is the initial one, empty because all scales are equal

    def epoch_end(self, loop: Any, epoch: int, accuracy: float) -> bool:
        self._put(loop.model)
        near = self._near()
        self.distances.append(near[-1])
        loop.stage.metric(mask_distance=near[-1])
        if self.draw_at is not None:
            self.found = epoch + 1 == self.draw_at
        else:
            recent = self.recent(near)
            below = bool(recent) and (
                max(recent) < self.epsilon
                if self.criterion == "paper"
                else max(recent) <= self.epsilon
            )
            self.found = below and len(recent) == self.wanted
        return self.found

    @property
    def wanted(self) -> int:
        """How many distances decide."""
        return self.window if self.criterion == "paper" else self.window - 1

    def recent(self, near: List[float]) -> List[float]:
        """The distances that decide, `wanted` of them in the end: between consecutive masks, or `near`, of the newest to the others."""
        # the first between consecutive ones is to the empty mask, which says nothing
        return self.distances[1:][-self.window :] if self.criterion == "paper" else near

    def _put(self, model: Any) -> None:
        mask = torch.cat(channels.ranked_masks(model.scales(), self.ratio))
        self.masks = (self.masks + [mask])[-self.window :]

    def _near(self) -> List[float]:
        """Distances of the newest mask to those before it, the oldest first."""
        return [channels.mask_distance([self.masks[-1]], [mask]) for mask in self.masks[:-1]]

    def state(self) -> Dict[str, Any]:
        return {"masks": self.masks, "distances": self.distances, "found": self.found}

    def load_state(self, state: Dict[str, Any]) -> None:
        self.masks, self.distances, self.found = (
            list(state["masks"]),
            list(state["distances"]),
            state["found"],
        )
        if not self.masks or any(mask.shape != (sum(self.sizes),) for mask in self.masks):
            raise ValueError(f"its masks are not of {sum(self.sizes)} channels")


def check_weights(weights: str) -> None:
    """Refuse an unknown choice of the ticket's weights."""
    require(
        weights in ("inherit", "rewind", "reinit"),
        "weights",
        weights,
        '"inherit", "rewind" or "reinit"',
    )


def thin_ticket(
    stage: Any, task: Task, ticket: Dict[str, Any], *, weights: str = "inherit"
) -> Dict[str, Any]:
    """The network cut to the ticket's masks, with the search's weights, its initial ones ("rewind") or new ones ("reinit")."""
    check_weights(weights)
    thin = thinned(stage, task, task.network(ticket), ticket["masks"], ticket["epoch"])
    if weights == "rewind":
        # Which channel an emptied layer keeps depends on the trained scales, so the cut is the trained network's.
        index = task.network(ticket).settle(ticket["masks"]).index
        thin["state"] = {
            name: value.cpu() for name, value in task.build().cut(index).state_dict().items()
        }
    elif weights == "reinit":
        fresh = task.build(thin["widths"], seed=task.seed + 1).state_dict()
        selections = {
            name: value for name, value in thin["state"].items() if name.endswith("select.index")
        }
        thin["state"] = dict({name: value.cpu() for name, value in fresh.items()}, **selections)
    return thin


def train_ticket(
    stage: Any,
    task: Task,
    thin: Dict[str, Any],
    *,
    restart: bool,
    sparsity: float,
    precision: str = "fp32",
) -> Dict[str, Any]:
    """Train the thin network: the rest of the schedule after the search's epochs, or (`restart`) the whole of it.

    A search that took the whole schedule leaves nothing to train: a warning, since the accuracy is then that of the bare cut.
    """
    if not restart and thin["epoch"] >= task.schedule.epochs:
        stage.warn("not_retrained", epochs=task.schedule.epochs)
    average_from = averaging_start(task.schedule) if precision == "bfp8" else None
    watch = watched(precision, average_from=average_from, epochs=task.schedule.epochs, fresh=False)
    return train(
        stage,
        task,
        thin,
        from_epoch=0 if restart else thin["epoch"],
        sparsity=sparsity,
        watch=watch,
        precision=precision,
    )
