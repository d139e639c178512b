"""Names as the papers write them."""

from joulebird.baselines import DATASETS, METHODS, MODELS
from joulebird.reports.runs import labels, names


def test_everything_that_can_be_trained_has_a_name_of_its_own():
    for registry, named in (
        (METHODS, names.METHODS),
        (MODELS, names.MODELS),
        (DATASETS, names.DATASETS),
    ):
        assert set(registry) == set(named)
        assert len(set(named.values())) == len(named)
    assert labels.method_label("swalp", {}) == "SWALP"
