"""The recipes of CONTRIBUTING.md, tried as written, outside the repository and in a copy of it."""

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.conftest import ROOT

if sys.version_info < (3, 11):
    pytest.skip("the recipes are for the desk", allow_module_level=True)

pytestmark = pytest.mark.slow
SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINE = re.compile(r'`("[\w-]+": "joulebird\.([\w.]+):\w+")`[^`]*`(\w+)\.(\w+)`')
WATTS = "5.0"


def sections():
    """Return title -> text of the recipes."""
    text = Path(ROOT, "CONTRIBUTING.md").read_text(encoding="utf-8")
    return {title: body for title, body in SECTION.findall(text) if title.startswith("Add ")}


def write_files(text, folder):
    """Write the files that a text shows: blocks whose first line is a comment with a path."""
    for language, block in BLOCK.findall(text):
        first = block.partition("\n")[0]
        if language in ("python", "toml") and first.startswith("# "):
            path = folder / first[2:]
            path.parent.mkdir(exist_ok=True)
            path.write_text(block, encoding="utf-8")


def commands(text):
    """Return the command lines that a text shows."""
    blocks = [block for language, block in BLOCK.findall(text) if language == "sh"]
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def joulebird(line, folder, **environment):
    """Run one `joulebird ...` line in a folder and return its result and its talk."""
    words = shlex.split(line)
    assert words[0] == "joulebird"
    done = subprocess.run(
        [sys.executable, "-m", "joulebird", *words[1:]],
        cwd=folder,
        env=dict(os.environ, **environment),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture
def lab(tmp_path):
    """A folder outside the repository, with watts for the source."""
    (tmp_path / "watts.txt").write_text(WATTS)
    return tmp_path


@contextlib.contextmanager
def printing_meter():
    """Print readings of 5 W on a pseudo-terminal; yield the port's name."""
    master, slave = os.openpty()
    ended = threading.Event()

    def talk():
        while not ended.wait(0.1):
            os.write(master, b"10.0,0.5,5.0\r\n")

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        ended.set()
        thread.join()
        os.close(master)
        os.close(slave)


def follow(title, lab, **replaced):
    """Do a recipe outside the repository; return the output of its commands."""
    text = sections()[title]
    write_files(text, lab)
    output = []
    for line in commands(text):
        for old, new in replaced.items():
            line = line.replace(old, new)
        output.append(joulebird(line, lab))
    return output


def test_a_source(lab):
    measured, watched = follow("Add a power source", lab)
    assert re.search(r"[\d.]+ J\b", measured)
    assert watched.count("5.0") >= 3


def test_a_meter_of_ones_own(lab):
    with printing_meter() as port:
        (measured,) = follow("Add a serial meter", lab, **{"/dev/ttyUSB0": port})
    joules, seconds = (re.search(rf"([\d.]+) {unit}\b", measured) for unit in ("J", "s"))
    assert float(joules[1]) == pytest.approx(float(WATTS) * float(seconds[1]), rel=0.1)


def test_a_method(lab):
    planned, _ = follow("Add a method", lab)
    assert re.search(r"^runs +2\b", planned, re.MULTILINE)
    epochs = [path.read_text().count("\n") - 1 for path in lab.glob("runs/stages/*/epochs.csv")]
    assert sorted(epochs) == [1, 2]


def test_a_model(lab):
    counted, _ = follow("Add a model", lab)
    assert "MACs" in counted
    assert len(list(lab.glob("runs/*/record.json"))) == 1


def test_a_data_set(lab):
    follow("Add a data set", lab)
    (record,) = lab.glob("runs/*/record.json")
    assert json.loads(record.read_text())["accuracy"]["best"] >= 0.5


def test_a_report(lab):
    write_files(sections()["Add a data set"], lab)
    joulebird(commands(sections()["Add a data set"])[0], lab)
    text, _, _ = follow("Add a report", lab)
    assert "Costs of finished runs" in text
    assert json.loads((lab / "costs.json").read_text())["title"] == "Costs of finished runs"
    assert (lab / "bars.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """A copy of the product with every newcomer moved inside and registered as the recipes say."""
    base = tmp_path_factory.mktemp("inside")
    drafts = base / "drafts"
    drafts.mkdir()
    for name in ("devices", "baselines", "harness", "reports"):
        shutil.copytree(
            Path(ROOT, "joulebird", name),
            base / "joulebird" / name,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    for name in ("__init__.py", "__main__.py"):
        shutil.copy(Path(ROOT, "joulebird", name), base / "joulebird" / name)
    for text in sections().values():
        write_files(text, drafts)
        for line, module, room, table in LINE.findall(text):
            (draft,) = drafts.glob("mylab/*.py")
            target = base / "joulebird" / (module.replace(".", "/") + ".py")
            assert target.parent.is_dir(), module
            draft.rename(target)
            registry = base / "joulebird" / room / "__init__.py"
            body = registry.read_text(encoding="utf-8")
            assert f"{table} = {{\n" in body
            registry.write_text(body.replace(f"{table} = {{\n", f"{table} = {{\n    {line},\n"))
    return base


def test_every_recipe_names_its_line():
    lines = [LINE.findall(text) for title, text in sections().items() if "serial" not in title]
    assert [len(found) for found in lines] == [1] * 5


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("joulebird measure --source watts-file -- true", "J"),
        ("joulebird run --list", "short"),
        ("joulebird flops --model tiny --dataset noise", "MACs"),
        ("joulebird table --help", "costs"),
    ],
)
def test_newcomers_are_reached_by_their_names(extended, lab, line, wanted):
    environment = {"PYTHONPATH": str(extended)}
    assert wanted in joulebird(line, lab, **environment)
