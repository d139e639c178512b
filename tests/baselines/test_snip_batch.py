"""Which images SNIP scores with: one batch of plain training images, drawn by the seed, and how
the method's options reach the scoring.
"""

import pytest
import torch
from stages import Run

from joulebird.baselines.methods import snip


@pytest.fixture
def small(task):
    return task._replace(
        prune_ratio=0.5, schedule=task.schedule._replace(epochs=1, milestones=(), batch=48)
    )


@pytest.fixture
def scorings(monkeypatch):
    """What the scoring was given each time: images, labels, bn_eval, micro_batch."""
    seen, sensitivity = [], snip.sensitivity

    def noting(network, images, labels, names, bn_eval=False, micro_batch=None):
        seen.append((images, labels, bn_eval, micro_batch))
        return sensitivity(network, images, labels, names, bn_eval, micro_batch)

    monkeypatch.setattr(snip, "sensitivity", noting)
    return seen


def test_it_scores_one_batch_of_plain_training_images_drawn_by_the_seed(small, scorings):
    data = small.data()
    plain = data.normalise(data.train_images)
    places = []
    for seed in (1, 1, 2):
        snip.snip(small._replace(seed=seed), Run())
        images, labels, bn_eval, micro_batch = scorings[-1]
        assert not bn_eval
        assert micro_batch is None
        found = [
            int((plain == one).flatten(1).all(1).nonzero()[0]) for one in images
        ]  # un-augmented, or there is none
        assert len(set(found)) == 48
        assert torch.equal(data.train_labels[found], labels)
        places.append(found)
    assert len(scorings) == 3
    assert places[0] == places[1] != places[2]
    assert sorted(places[0]) != sorted(places[2])
    assert len(set(places[0]) & set(range(48))) < 30  # not just the first ones


def test_its_options_reach_the_scoring(small, scorings):
    snip.snip(small._replace(micro_batch=16), Run(), bn_eval=True)
    assert scorings[0][2:] == (True, 16)
    assert len(scorings[0][0]) == 48
