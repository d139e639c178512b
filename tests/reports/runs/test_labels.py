"""Names as the papers write them."""

from joulebird.baselines import DATASETS, METHODS, MODELS
from joulebird.reports.runs import labels


def test_everything_that_can_be_trained_has_a_name_of_its_own():
    for registry, names in (
        (METHODS, labels.METHODS),
        (MODELS, labels.MODELS),
        (DATASETS, labels.DATASETS),
    ):
        assert set(registry) == set(names)
        assert len(set(names.values())) == len(names)
    assert labels.method_label("swalp", {}) == "SWALP"
