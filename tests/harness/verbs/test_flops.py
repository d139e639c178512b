"""Every model with every data set, dense and thin: a count, or one clear error."""

import json

import pytest

pytest.importorskip("torch")

from joulebird.baselines import DATASETS, MODELS  # noqa: E402
from joulebird.harness.cli.parser import parser_of  # noqa: E402
from joulebird.harness.core.registry import find  # noqa: E402
from joulebird.harness.verbs import flops as verb_flops  # noqa: E402
from tests.harness.command import refused  # noqa: E402

ODD = [
    [],
    [64],
    [1] * 12,
    [1] * 14,
    [[1] * 13],
    [[1, 1, 1, 1], [2, 2]],
    [[16, 16, 32, 64], [1, 1, 1]],
    "dense but one more",
    "dense but one less",
    "dense with a list for a number",
    "more than there are",
]


def flops(model, dataset, tmp_path, **options):
    """What the verb writes for these arguments, as JSON; the network is a sixteenth as wide."""
    path = str(tmp_path / "flops.json")
    words = ["--model", model, "--dataset", dataset, "--width", "0.0625", "--json", "-o", path]
    for name, value in options.items():
        words += ["--" + name, str(value)]
    verb_flops.main(parser_of("flops").parse_args(words))
    with open(path) as file:
        return json.load(file)


def spoilt(dense, how):
    """The dense widths, spoilt as `how` says, or `how` itself."""
    if not isinstance(how, str):
        return how
    if how == "more than there are":
        return [
            [value + 1 for value in one] if isinstance(one, list) and place else one
            for place, one in enumerate(dense)
        ]
    if how == "dense with a list for a number":
        return [[dense[0]]] + dense[1:]
    return dense + [dense[-1]] if how.endswith("more") else dense[:-1]


@pytest.mark.parametrize("dataset", sorted(DATASETS))
@pytest.mark.parametrize("model", sorted(MODELS))
def test_every_pair_is_counted_or_refused(model, dataset, tmp_path):
    if (model, dataset) == ("vgg16", "imagenet"):
        with pytest.raises(
            Exception, match="vgg16 cannot take the 3 x 224 x 224 images of imagenet"
        ) as error:
            flops(model, dataset, tmp_path)
        assert error.value.exit_code == 2
        assert error.value.hint
        assert "\n" not in str(error.value)
        return
    dense = flops(model, dataset, tmp_path)
    thin = flops(model, dataset, tmp_path, uniform=0.999)
    assert dense["macs"] > thin["macs"] > 0


@pytest.mark.parametrize("how", ODD, ids=str)
@pytest.mark.parametrize(
    "model",
    [
        "vgg16",
        "joulebird.baselines.models.preresnet:PreResNet11",
        "resnet20",
        "resnet18",
        "resnet50",
    ],
)
def test_channels_that_do_not_fit_are_one_clear_error(model, how, tmp_path):
    widths = spoilt(find(MODELS, "model", model).dense_widths(1 / 16), how)
    (tmp_path / "widths.json").write_text(json.dumps(widths))
    if how == "more than there are" and model in ("vgg16", "resnet20", "resnet50"):
        assert flops(model, "digits", tmp_path, channels=tmp_path / "widths.json")[
            "macs"
        ]  # no selection: these are networks
        return
    with pytest.raises(Exception) as error:
        flops(model, "digits", tmp_path, channels=tmp_path / "widths.json")
    assert error.value.exit_code == 2
    assert error.value.hint
    assert "\n" not in str(error.value)


def test_the_command_says_it_in_two_lines():
    refused(
        2, ["flops", "--model", "vgg16", "--dataset", "imagenet"], "3 x 224 x 224", "choose a model"
    )
    refused(2, ["flops", "--model", "vgg16", "--dataset", "digits", "--width", "inf"], "width")
    refused(
        2, ["flops", "--model", "vgg16", "--dataset", "digits", "--uniform", "nan"], "--uniform"
    )
