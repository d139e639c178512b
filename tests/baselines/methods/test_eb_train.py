"""EB Train and network slimming: both criteria on known masks, what is inherited, and the stages
that are shared.
"""

import pytest
import torch
from stages import Run, Stage

from joulebird.baselines.methods import eb_train, network_slimming
from joulebird.baselines.methods.eb_train import Finder
from joulebird.baselines.pruning import channels
from joulebird.baselines.training.loop import Loop
from joulebird.baselines.training.task import Schedule
from joulebird.harness.core.errors import SpecError


class Scales:
    """A model that is only its 100 scales; `swapped` of the smaller half have changed places with
    as many of the larger.
    """

    def __init__(self, swapped):
        self.values = (torch.arange(100.0) + 1) / 100
        low, high = self.values[:swapped].clone(), self.values[60 : 60 + swapped].clone()
        self.values[:swapped], self.values[60 : 60 + swapped] = high, low

    def scales(self):
        return [self.values]


class FakeLoop:
    def __init__(self, model):
        self.model, self.stage = model, Stage()


def follow(finder, moved):
    """Feed masks of 100 channels, the i-th of which differs from an unmoved one in `moved[i]` (i =
    0: the initial mask).

    Returns the epochs trained when the ticket was found, or None.
    """
    for epoch, shift in enumerate(moved):
        loop = FakeLoop(Scales(shift // 2))
        if epoch == 0:
            finder.begin(loop)
            finder.started(loop)
        elif finder.epoch_end(loop, epoch - 1, 0.5):
            return epoch
    return None


def finder(criterion="paper", epsilon=0.1, draw_at=None):
    return Finder(0.5, epsilon, 5, criterion, draw_at, 20)


def test_the_papers_criterion_needs_five_near_distances():
    assert follow(finder(), [0] * 10) == 6  # five distances between the masks of epochs 1 to 6
    assert (
        follow(finder(), [0, 0, 30, 0, 0, 0, 0, 0, 0, 0, 0, 0]) == 8
    )  # the last far distance is that of epoch 3
    assert (
        follow(finder(), [0, 0, 8, 16, 24, 32, 40, 48]) == 6
    )  # every step is below 0.1, however far it drifts
    assert (
        follow(finder(), [0, 0, 10, 20, 30, 40, 50, 60]) is None
    )  # steps of exactly 0.1 are not below it


def test_the_codes_criterion_compares_with_the_newest_mask():
    assert follow(finder("code"), [0] * 10) == 4  # five masks, the initial one included
    assert (
        follow(finder("code"), [0, 0, 8, 16, 24, 32, 40, 48]) is None
    )  # four steps of drift add up
    assert follow(finder("code"), [0, 10, 0, 10, 0, 10]) == 4  # exactly 0.1 is near enough
    assert follow(finder("code"), [30, 0, 0, 0, 0, 0, 0]) == 5  # the far one has left the queue


def test_the_initial_mask_is_empty_as_in_the_authors_code(task):
    search = Finder(0.5, 0.1, 5, "code", None, 3)
    loop = FakeLoop(task.build())
    search.begin(loop)
    search.started(loop)
    assert not search.masks[0].any()
    assert sum(search.sizes) == len(search.masks[0])


def test_a_ticket_can_be_drawn_at_an_epoch():
    assert follow(finder(draw_at=3), [0, 30, 0, 30, 0, 30]) == 3


def test_impossible_options_are_refused():
    for options in ({"criterion": "papers"}, {"draw_at": 0}, {"draw_at": 21}):
        with pytest.raises(SpecError) as error:
            finder(**options)
        assert " must be " in error.value.message
    with pytest.raises(SpecError):
        Finder(0.5, 0.1, 1, "paper", None, 20)


def test_a_resumed_search_goes_on_where_it_was():
    first, second = finder(), finder()
    assert follow(first, [0, 0, 30, 0, 0, 0]) is None
    second.begin(FakeLoop(Scales(0)))
    second.load_state(first.state())
    found = [second.epoch_end(FakeLoop(Scales(0)), epoch, 0.5) for epoch in (5, 6, 7)]
    assert found == [False, False, True]


@pytest.fixture
def small(task):
    return task._replace(schedule=Schedule(epochs=4, milestones=(2, 3), batch=32), prune_ratio=0.5)


def test_a_whole_run_inherits_and_continues(small):
    run = Run()
    last = eb_train.eb_train(small, run, draw_at=2)
    search, prune, retrain = run.artifacts.values()
    assert run.order == ["search", "prune", "retrain"]
    assert last is retrain
    assert search.stage.metrics["epochs_trained"] == 2
    assert search.stage.metrics["paper_n"] == 3
    assert [row["epoch"] for row in retrain.stage.epochs] == [3, 4]
    model, thin = small.network(search.result), small.network(prune.result)
    kept = torch.nonzero(search.result["masks"][0], as_tuple=False).flatten()
    assert torch.equal(thin.norms()[0].weight, model.norms()[0].weight[kept])
    assert prune.stage.metrics["channels_kept"] == sum(prune.result["widths"])
    assert 0 < prune.stage.metrics["macs_share"] < 1
    assert (
        retrain.stage.works[0]["macs"]
        == prune.stage.metrics["macs"]
        < search.stage.works[0]["macs"]
    )


@pytest.mark.parametrize("weights", ["rewind", "reinit"])
def test_other_weights_train_the_whole_schedule(small, weights):
    run = Run()
    eb_train.eb_train(small, run, draw_at=1, weights=weights)
    search, prune, retrain = run.artifacts.values()
    assert [row["epoch"] for row in retrain.stage.epochs] == [1, 2, 3, 4]
    first = small.network(prune.result).norms()[0].weight
    assert first.eq(0.5).all()  # the authors' start, not the trained scales
    start = small.build().convs()[0].weight
    kept = search.result["masks"][0].nonzero(as_tuple=False).flatten()
    kept = kept if len(kept) else small.network(search.result).scales()[0].argmax()[None]
    rewound = torch.equal(small.network(prune.result).convs()[0].weight, start[kept])
    assert rewound == (weights == "rewind")


@pytest.mark.parametrize("precision", ["fp32", "bfp8", "wage8"])
def test_a_ticket_keeps_its_weights_in_every_precision_of_its_training(small, precision):
    """With no epoch left to train, what comes out is what came in: none of them starts from weights
    of its own.
    """
    ticket = eb_train.find_ticket(Stage(), small, 0.5, sparsity=1e-4, draw_at=1)
    thin = eb_train.thin_ticket(Stage(), small, ticket)
    trained = eb_train.train_thin(
        Stage(), small, dict(thin, epoch=4), restart=False, sparsity=1e-4, precision=precision
    )
    assert all(torch.equal(value, thin["state"][name]) for name, value in trained["state"].items())


def test_the_search_trains_with_l1_and_the_retraining_if_asked(small):
    """Compare the mean scales of the thirteen layers, 0.5 at the start: L1 pulls towards zero."""

    def scales(sparsity, **options):
        run = Run()
        task = small._replace(sparsity=sparsity, schedule=small.schedule._replace(batch=80))
        eb_train.eb_train(task, run, draw_at=1, **options)
        search, _, retrain = (artifact.result for artifact in run.artifacts.values())
        return [
            sum(float(scale.detach().mean()) for scale in small.network(result).scales())
            for result in (search, retrain)
        ]

    none, kept, dropped = scales(0.0), scales(0.05), scales(0.05, keep_sparsity=False)
    assert kept[0] == dropped[0] < none[0] - 0.2
    assert kept[1] < kept[0] - 0.2
    assert dropped[1] > dropped[0] - 0.1


def test_reinitialised_residual_networks_keep_the_tickets_selection(task):
    task = task._replace(
        model="joulebird.baselines.models.preresnet:PreResNet11",
        width=0.25,
        prune_ratio=0.5,
        schedule=Schedule(epochs=1, batch=64),
    )
    ticket = eb_train.find_ticket(Stage(), task, 0.5, sparsity=1e-4, draw_at=1)
    inherited = eb_train.thin_ticket(Stage(), task, ticket)["state"]
    for weights in ("rewind", "reinit"):
        state = eb_train.thin_ticket(Stage(), task, ticket, weights=weights)["state"]
        selections = [name for name in state if name.endswith("select.index")]
        assert selections
        assert all(torch.equal(state[name], inherited[name]) for name in selections)
        assert state.keys() == inherited.keys()


def test_restarting_inherits_and_trains_everything(small):
    run = Run()
    eb_train.eb_train(small, run, draw_at=1, restart=True)
    assert [row["epoch"] for row in list(run.artifacts.values())[2].stage.epochs] == [1, 2, 3, 4]


def rates(monkeypatch):
    """The learning rates of all epochs that are trained from now on, in order."""
    seen, train_epoch = [], Loop.train_epoch

    def noting(loop, epoch):
        seen.append(round(loop.lr_at(epoch), 9))
        return train_epoch(loop, epoch)

    monkeypatch.setattr(Loop, "train_epoch", noting)
    return seen


def test_the_search_may_have_a_schedule_of_its_own(small, monkeypatch):
    seen = rates(monkeypatch)
    eb_train.eb_train(small, Run(), draw_at=3, restart=True, search_milestones=[0, 2])
    assert seen == [0.01, 0.01, 0.001, 0.1, 0.1, 0.01, 0.001]
    del seen[:]
    eb_train.eb_train(small, Run(), draw_at=1, restart=True, search_lr=0.5)
    assert seen == [0.5, 0.1, 0.1, 0.01, 0.001]


@pytest.mark.parametrize(
    "options", [{"search_lr": 0.0}, {"search_milestones": [2, 1]}, {"search_milestones": [-1]}]
)
def test_impossible_schedules_of_the_search_are_refused(small, options):
    with pytest.raises(SpecError) as error:
        eb_train.eb_train(small, Run(), **options)
    assert " must be " in error.value.message


def test_a_ticket_that_is_never_found_is_the_last_mask_with_a_warning(small):
    stage = Stage()
    ticket = eb_train.find_ticket(stage, small, 0.5, sparsity=1e-4, epsilon=1e-9)
    assert not ticket["found"]
    assert ticket["epoch"] == 4
    assert len(stage.epochs) == 4
    [warning] = stage.warnings
    assert warning["name"] == "ticket_not_found"
    assert (
        warning["have"],
        warning["wanted"],
        warning["epochs"],
    ) == (3, 5, 4)
    assert warning["distance"] == pytest.approx(max(ticket["distances"][1:]), abs=1e-4)
    thin = eb_train.thin_ticket(Stage(), small, ticket)
    for restart, told in ((False, ["not_retrained"]), (True, [])):
        stage = Stage()
        trained = eb_train.train_thin(stage, small, thin, restart=restart, sparsity=0.0)
        assert [warning["name"] for warning in stage.warnings] == told
        assert len(stage.epochs) == (4 if restart else 0)
        assert trained["epoch"] == 4


def test_unknown_weights_are_refused(small):
    ticket = eb_train.find_ticket(Stage(), small, 0.5, sparsity=1e-4, draw_at=1)
    with pytest.raises(SpecError, match="lottery"):
        eb_train.thin_ticket(Stage(), small, ticket, weights="lottery")


def test_slimming_shares_its_training_and_retrains_everything(small):
    run = Run()
    for ratio in (0.3, 0.6):
        network_slimming.network_slimming(small._replace(prune_ratio=ratio), run)
    names = [artifact.id.rsplit("-", 1)[0] for artifact in run.artifacts.values()]
    assert names == ["dense-l1", "prune", "retrain", "prune", "retrain"]
    trained, prune, retrain = list(run.artifacts.values())[:3]
    assert [row["epoch"] for row in retrain.stage.epochs] == [1, 2, 3, 4]
    total = sum(trained.result["widths"])
    assert sum(int(mask.sum()) for mask in prune.result["masks"]) == total - int(total * 0.3) - 1


@pytest.mark.parametrize("keep_sparsity", [False, True])
def test_slimming_trains_with_l1_and_retrains_without_unless_asked(small, keep_sparsity):
    def scales(sparsity):
        run = Run()
        task = small._replace(
            sparsity=sparsity, prune_ratio=0.0, schedule=small.schedule._replace(batch=80)
        )
        network_slimming.network_slimming(task, run, keep_sparsity=keep_sparsity)
        first, _, last = (artifact.result for artifact in run.artifacts.values())
        return [
            sum(float(scale.detach().mean()) for scale in small.network(result).scales())
            for result in (first, last)
        ]

    without, strong = scales(0.0), scales(0.1)
    assert strong[0] < 0.8 * without[0]  # the dense training had it
    assert (strong[1] < 0.7 * strong[0]) == keep_sparsity  # and the retraining, if asked


def test_slimming_at_ratio_zero_is_the_dense_network(small):
    trained = {"widths": small.dense_widths(), "state": small.build().state_dict(), "epoch": 4}
    thin = channels.thin_network(Stage(), small, trained, 0.0)
    assert thin["widths"] == trained["widths"]
    assert all(torch.equal(thin["state"][name], value) for name, value in trained["state"].items())
