"""Studies: their grid, and every mistake with the place where it was made."""

import pytest

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.host.studies import study

GOOD = """
[study]
methods = ["dense", "eb-train"]
models = ["vgg16"]
datasets = ["digits", "cifar10"]
prune_ratios = [0.3, 0.5]
seeds = [1, 2]
width = 0.25

[schedule]
epochs = 10

[method.eb-train]
epsilon = 0.2
"""


def test_a_study_is_the_grid_of_its_lists(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(GOOD)
    specs = study.load(str(path))
    assert len(specs) == len(set(specs)) == 2 * 2 * 2 * 2
    assert {spec.seed for spec in specs} == {1, 2}
    assert {spec.width for spec in specs} == {0.25}
    early = [spec for spec in specs if spec.method == "eb-train"]
    assert all(
        dict(spec.options)["epsilon"] == 0.2 and dict(spec.options)["window"] == 5 for spec in early
    )
    assert all(spec.milestones == (5, 7) and spec.epochs == 10 for spec in specs)
    assert len({spec.id for spec in specs}) == len(specs)


def test_a_setting_may_have_ratios_of_its_own(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(
        GOOD + '[[setting]]\nmodel = "vgg16"\ndataset = "digits"\nprune_ratios = [0.1]\n'
    )
    found = {(spec.dataset, spec.prune_ratio) for spec in study.load(str(path))}
    assert found == {("digits", 0.1), ("cifar10", 0.3), ("cifar10", 0.5)}


@pytest.mark.parametrize(
    ("entry", "parts"),
    [
        (
            '[[setting]]\nmodel = "vgg16"\ndataset = "digits"\n',
            ["setting #1", "lacks the field 'prune_ratios'"],
        ),
        (
            '[[setting]]\nmodel = "vgg"\ndataset = "digits"\nprune_ratios = [0.1]\n',
            ["model 'vgg' is not in [study] models", "vgg16"],
        ),
        (
            '[[setting]]\nmodel = "vgg16"\ndataset = "digits"\nprune_ratios = 0.1\n',
            ["field 'setting #1.prune_ratios'", "expected a list of numbers, got 0.1"],
        ),
        (
            '[setting]\nmodel = "vgg16"\n',
            ["field 'setting'", "expected a list of tables", "[[setting]]"],
        ),
    ],
)
def test_a_mistake_in_a_setting_is_named(tmp_path, entry, parts):
    path = tmp_path / "study.toml"
    path.write_text(GOOD + entry)
    with pytest.raises(HarnessError) as refused:
        study.load(str(path))
    for part in parts:
        assert part in refused.value.message + refused.value.hint


VARIANTS = """
[[variant]]
method = "eb-train"
options = {weights = "reinit"}

[[variant]]
method = "eb-train"
models = ["vgg16"]
datasets = ["digits"]
prune_ratios = [0.7]
schedule = {lr = 0.5}
options = {restart = true}
each = {draw_at = [1, 2], criterion = ["paper", "code"]}
"""


def rows_of(specs, *names):
    """What the specs say of these fields and options, in their order, without repeats."""
    return list(
        dict.fromkeys(
            tuple(getattr(spec, name, dict(spec.options).get(name)) for name in names)
            for spec in specs
        )
    )


def test_variants_are_rows_of_their_own_over_the_methods_options(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(GOOD + VARIANTS)
    early = [spec for spec in study.load(str(path)) if spec.method == "eb-train"]
    assert {dict(spec.options)["epsilon"] for spec in early} == {0.2}
    assert rows_of(early, "weights", "restart", "dataset", "prune_ratio", "lr") == [
        ("inherit", False, "digits", 0.3, 0.1),
        ("reinit", False, "digits", 0.3, 0.1),
        ("inherit", False, "digits", 0.5, 0.1),
        ("reinit", False, "digits", 0.5, 0.1),
        ("inherit", True, "digits", 0.7, 0.5),
        ("inherit", False, "cifar10", 0.3, 0.1),
        ("reinit", False, "cifar10", 0.3, 0.1),
        ("inherit", False, "cifar10", 0.5, 0.1),
        ("reinit", False, "cifar10", 0.5, 0.1),
    ]
    drawn = [spec for spec in early if spec.prune_ratio == 0.7]
    assert rows_of(drawn, "draw_at", "criterion") == [
        (1, "paper"),
        (1, "code"),
        (2, "paper"),
        (2, "code"),
    ]


def test_variants_may_stand_instead_of_methods_in_an_order_of_their_own(tmp_path):
    path = tmp_path / "study.toml"
    plain = GOOD.replace('methods = ["dense", "eb-train"]\n', "")
    path.write_text(plain + VARIANTS + '[[variant]]\nmethod = "eb-train"\n')
    assert rows_of(study.load(str(path)), "weights", "restart") == [
        ("reinit", False),
        ("inherit", False),
        ("inherit", True),
    ]
    path.write_text(plain)
    with pytest.raises(HarnessError, match="lacks the field 'study.methods'"):
        study.load(str(path))


def test_a_setting_and_a_variant_may_have_a_schedule_of_their_own(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(
        GOOD.replace("epochs = 10", "epochs = 10\nmilestones = [6, 8]")
        + '[[setting]]\nmodel = "vgg16"\ndataset = "digits"\nschedule = {epochs = 20, batch = 64}\n'
        + '[[variant]]\nmethod = "dense"\nschedule = {batch = 32, milestones = [3]}\n'
    )
    rows = rows_of(study.load(str(path)), "dataset", "method", "epochs", "milestones", "batch")
    assert rows == [
        ("digits", "dense", 20, (10, 15), 64),
        ("digits", "eb-train", 20, (10, 15), 64),
        ("digits", "dense", 20, (3,), 32),
        ("cifar10", "dense", 10, (6, 8), 256),
        ("cifar10", "eb-train", 10, (6, 8), 256),
        ("cifar10", "dense", 10, (3,), 32),
    ]


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        (
            VARIANTS,
            '[variant]\nmethod = "dense"\n',
            ["field 'variant'", "expected a list of tables", "[[variant]]"],
        ),
        (
            'method = "eb-train"\noptions',
            "options",
            ["lacks the field 'variant #1.method'", "eb-train"],
        ),
        (
            'method = "eb-train"\nmodels',
            'method = "ebtrain"\nmodels',
            ["variant #2", "did you mean 'eb-train'"],
        ),
        (
            "options = {weights",
            "option = {weights",
            ["unknown field 'variant #1.option'", "did you mean 'options'"],
        ),
        (
            '{weights = "reinit"}',
            "3",
            ["field 'variant #1.options'", "expected a table of values, got 3"],
        ),
        (
            "{weights",
            "{weihgts",
            ["variant #1 options", "unknown field 'weihgts'", "did you mean 'weights'"],
        ),
        (
            'models = ["vgg16"]\ndatasets = ["digits"]',
            'models = ["vgg"]',
            ["variant #2", "model 'vgg' is not in [study] models", "vgg16"],
        ),
        (
            'models = ["vgg16"]\ndatasets = ["digits"]',
            "models = []",
            ["field 'variant #2.models' must be a list with at least one entry"],
        ),
        (
            "prune_ratios = [0.7]",
            "prune_ratios = [7]",
            ["field 'variant #2.prune_ratios #1' must be at least 0 and below 1 (got 7)"],
        ),
        (
            "schedule = {lr = 0.5}",
            "schedule = {lrate = 0.5}",
            ["unknown field 'variant #2.schedule.lrate'", "known: batch"],
        ),
        (
            "schedule = {lr = 0.5}",
            "schedule = 0.5",
            ["field 'variant #2.schedule'", "expected a table, got 0.5"],
        ),
        (
            "draw_at = [1, 2]",
            "draw_at = 1",
            ["field 'variant #2.each'", "expected a table of lists of values"],
        ),
        (
            "draw_at = [1, 2]",
            'draw_at = ["final"]',
            ["variant #2 options", "field 'draw_at'", "expected an integer or null, got 'final'"],
        ),
        (
            "draw_at = [1, 2]",
            "restart = [true, false]",
            ["variant #2", "restart is in options and in each"],
        ),
    ],
)
def test_a_mistake_in_a_variant_is_named(tmp_path, old, new, parts):
    path = tmp_path / "study.toml"
    assert old in VARIANTS
    path.write_text(GOOD + VARIANTS.replace(old, new, 1))
    with pytest.raises(HarnessError) as refused:
        study.load(str(path))
    assert refused.value.exit_code == 2
    assert "study.toml" in refused.value.message
    for part in parts:
        assert part in refused.value.message + "\n" + refused.value.hint


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("[study]", "[studdy]", ["unknown field 'studdy'", "did you mean 'study'"]),
        ("seeds", "seed", ["unknown field 'study.seed'", "did you mean 'seeds'"]),
        (
            "seeds = [1, 2]",
            "seeds = 1",
            ["field 'study.seeds'", "expected a list of integers, got 1"],
        ),
        (
            "seeds = [1, 2]",
            "seeds = [1, 2.5]",
            ["field 'study.seeds'", "expected a list of integers, got [1, 2.5]"],
        ),
        (
            "prune_ratios = [0.3, 0.5]",
            "prune_ratios = [30, 50]",
            ["field 'study.prune_ratios #1' must be at least 0 and below 1"],
        ),
        ("prune_ratios = [0.3, 0.5]", "", ["lacks the field 'study.prune_ratios'"]),
        (
            'methods = ["dense", "eb-train"]',
            "methods = []",
            ["field 'study.methods' must be a list with at least one entry"],
        ),
        (
            '"dense"',
            '"danse"',
            ["[study] methods", "unknown method 'danse'", "did you mean 'dense'"],
        ),
        ("vgg16", "vgg", ["[study] models", "unknown model 'vgg'", "did you mean 'vgg16'"]),
        (
            "epochs = 10",
            'epochs = "ten"',
            ["field 'schedule.epochs'", "expected an integer, got 'ten'"],
        ),
        ("epochs = 10", "epoch = 10", ["unknown field 'schedule.epoch'", "did you mean 'epochs'"]),
        (
            "epochs = 10",
            "milestones = [5, 5]",
            ["field 'schedule.milestones' must be increasing (got [5, 5])"],
        ),
        (
            "epsilon = 0.2",
            'epsilon = "small"',
            [
                "[method.eb-train]",
                "field 'epsilon' has the wrong type (expected a number, got 'small')",
            ],
        ),
        (
            "epsilon = 0.2",
            "epsilom = 0.2",
            ["[method.eb-train]", "unknown field 'epsilom'", "did you mean 'epsilon'"],
        ),
        ("[method.eb-train]", "[method.ebtrain]", ["[method.ebtrain]", "did you mean 'eb-train'"]),
        ("[study]", "[study", ["not valid TOML"]),
    ],
)
def test_a_mistake_is_named_with_its_file_table_and_key(tmp_path, old, new, parts):
    path = tmp_path / "my study.toml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(HarnessError) as refused:
        study.load(str(path))
    assert refused.value.exit_code == 2
    assert "my study.toml" in refused.value.message
    for part in parts:
        assert part in refused.value.message + "\n" + refused.value.hint


def test_a_name_that_is_no_study_gets_the_nearest_one():
    with pytest.raises(HarnessError) as refused:
        study.load("tabel2")
    assert "table2" in refused.value.hint


@pytest.mark.parametrize("name", study.presets())
def test_every_included_study_is_valid(name):
    specs = study.load(name)
    assert specs
    assert len({spec.id for spec in specs}) == len(specs)


def test_the_demo_is_the_five_methods_of_table_2_at_three_ratios():
    specs = study.load("demo")
    assert {spec.method for spec in specs} == {
        "lottery-ticket",
        "snip",
        "network-slimming",
        "thinet",
        "eb-train",
    }
    assert {spec.prune_ratio for spec in specs} == {0.3, 0.5, 0.7}
    assert len(specs) == 15
