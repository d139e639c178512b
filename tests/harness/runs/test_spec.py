"""Specs: resolved, hashable, the same id wherever they come from."""

import json
import subprocess
import sys

from joulebird.harness.runs.spec import RunSpec, default_milestones, from_dict

DATA = {
    "method": "eb-train",
    "model": "vgg16",
    "dataset": "digits",
    "prune_ratio": 0.5,
    "options": {"epsilon": 0.2},
}


def test_a_spec_survives_json_and_keeps_its_id():
    spec = from_dict(DATA)
    assert from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    assert from_dict(json.loads(json.dumps(spec.to_dict()))).id == spec.id
    assert hash(spec) == hash(from_dict(DATA))


def test_the_id_is_readable_and_says_every_difference():
    spec = from_dict(DATA)
    assert spec.id.startswith("eb-train-vgg16-digits-p50-s1-")
    others = [
        dict(DATA, seed=2),
        dict(DATA, width=0.5),
        dict(DATA, epochs=100),
        dict(DATA, lr=0.2),
        dict(DATA, options={}),
        dict(DATA, prune_ratio=0.3),
        dict(DATA, milestones=[1, 2]),
        dict(DATA, device="cpu"),
    ]
    assert len({from_dict(one).id for one in others} | {spec.id}) == len(others) + 1
    assert from_dict(dict(DATA, prune_ratio=0.125)).id.startswith("eb-train-vgg16-digits-p12.5-s1-")


def test_what_is_written_out_and_what_is_left_to_defaults_is_the_same_run():
    spec = from_dict(DATA)
    assert from_dict(dict(DATA, epochs=160, batch=256, milestones=[80, 120])) == spec
    assert from_dict(dict(DATA, options=dict(spec.options))) == spec


def test_the_id_is_the_same_in_another_process():
    script = (
        "import json, sys; from joulebird.harness.runs.spec import from_dict; "
        "print(from_dict(json.loads(sys.argv[1])).id)"
    )
    out = subprocess.check_output(
        [sys.executable, "-c", script, json.dumps(DATA)], universal_newlines=True
    )
    assert out.strip() == from_dict(DATA).id


def test_milestones_default_to_half_and_three_quarters():
    assert default_milestones(1) == ()
    assert default_milestones(14) == (7, 10)
    assert from_dict(dict(DATA, epochs=1)).milestones == ()


def test_every_field_has_a_place_in_the_dict():
    assert set(from_dict(DATA).to_dict()) == set(RunSpec._fields)
