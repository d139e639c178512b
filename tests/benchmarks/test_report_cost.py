"""The CPU time of a table, a check and a page over 96 runs, beside that of importing numpy.

`python -m pytest tests/benchmarks/test_report_cost.py -s` prints it. The least of three, taken in
turns: other work on the machine can only add to each. An import of numpy takes 0.1 s of an idle
desk, so that the bound of a table is about one second.
"""

import resource
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.reports.write_runs import small_study

pytestmark = [pytest.mark.slow, pytest.mark.alone]
REPEATS = 3
BASE = ["-c", "import numpy"]


def study(root):
    """Write 96 finished runs, six methods at four ratios with four seeds, of 180 stages."""
    ratios, seeds = (0.1, 0.3, 0.5, 0.7), (1, 2, 3, 4)
    folder = small_study(root, ratios, seeds, ripple=0.2)
    for seed in seeds:
        for ratio in ratios:
            place = f"{round(100 * ratio)}-{seed}"
            retrained = folder.stage(f"reinit-{place}", 16, 8.0, "thin")
            stages = [f"search-{place}", f"cut-{place}", retrained]
            folder.run("eb-train", ratio, stages, 0.92, seed=seed, options={"weights": "reinit"})


def children_s():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cpu_s(arguments):
    begin = children_s()
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE)
    assert done.returncode in (0, 6)  # 6: the check found something
    return children_s() - begin


def test_the_reports_of_96_runs(tmp_path):
    study(tmp_path / "runs")
    verbs = {
        "table": ["table", "2", tmp_path / "runs"],
        "check": ["check", tmp_path / "runs"],
        "report": ["report", tmp_path / "runs", "-o", tmp_path / "page.html"],
    }
    commands = {verb: ["-m", "joulebird", *words] for verb, words in verbs.items()}
    rounds = [
        {name: cpu_s(words) for name, words in {"base": BASE, **commands}.items()}
        for _ in range(REPEATS)
    ]
    least = {name: min(times[name] for times in rounds) for name in rounds[0]}
    imports = {name: least[name] / least["base"] for name in commands}
    text = ", ".join(f"{name} {ratio:.1f}" for name, ratio in imports.items())
    print(f"\n96 runs, in imports of numpy ({least['base']:.2f} s of CPU): {text}")
    assert imports["table"] < 14
    assert least["check"] < 3 * least["table"]
    assert least["report"] < 4.5 * least["table"]
