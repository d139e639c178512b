"""Tickets of single weights: a dense network, the masks of its weights, and their training."""

from typing import Any, Dict, List, NamedTuple

from torch import Tensor

from joulebird.baselines.models.base import Prunable, cpu_state
from joulebird.baselines.pruning import weights
from joulebird.baselines.training.loop import train
from joulebird.baselines.training.task import Result, Task


class MaskedTicket(NamedTuple):
    """The fields of a ticket's result; pruned weights are zero in `state`."""

    widths: List[Any]
    state: Dict[str, Tensor]
    masks: Dict[str, Tensor]


def masked_ticket(stage: Any, task: Task, network: Prunable, masks: Dict[str, Tensor]) -> Result:
    """Return the `MaskedTicket` of a network; the stage's metrics hold its sparsity."""
    macs = weights.sparse_macs(network, masks, task.source().shape)
    note_sparsity(stage, masks, theoretical_sparse_macs=macs)
    state = weights.masked(cpu_state(network), masks)
    return dict(MaskedTicket(network.widths, state, dict(masks))._asdict())


def note_sparsity(stage: Any, masks: Dict[str, Tensor], **metrics: Any) -> None:
    """Put the masks' sparsity into the stage's metrics; warn of layers without any weight."""
    stage.metric(sparsity=weights.sparsity(masks), **metrics)
    dead = weights.emptied(masks)
    if dead:
        stage.warn("dead_layer", layers=dead)


def train_masked(stage: Any, task: Task, ticket: Result, *, from_epoch: int = 0) -> Result:
    """Train a `MaskedTicket` with a fresh optimiser, its pruned weights held at zero."""
    return train(stage, task, ticket, from_epoch=from_epoch, masks=ticket["masks"])
