"""The sdist and the wheel hold everything, and add one importable name: joulebird."""

import ast
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.test_layers import imports, is_standard, sources, tree_of

if sys.version_info < (3, 11):
    pytest.skip("packages are built at the desk", allow_module_level=True)
import tomllib

NOT_SOURCE = (
    ".git",
    ".venv",
    ".venv36",
    ".venv-fleet",
    "runs",
    "demo-runs",
    "build",
    "dist",
    "joulebird.egg-info",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".hypothesis",
)
ROOMS = ("devices", "baselines", "harness", "reports")
IMPORT_NAMES = {  # of packages whose name in the index differs
    "pyserial": "serial",
    "pillow": "PIL",
    "jetson-stats": "jtop",
    "nvidia-ml-py": "pynvml",
}
BUILD = "import sys, setuptools.build_meta as b; print(getattr(b, sys.argv[1])(sys.argv[2]))"


def build(source, kind, folder):
    """Return the path of the archive that the build backend makes of a source tree."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", BUILD, "build_" + kind, str(folder)],
        cwd=source,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The tree copied, its sdist, the sdist unpacked, and the wheel of the unpacked sdist."""
    base = tmp_path_factory.mktemp("built")
    caches = shutil.ignore_patterns("__pycache__", "*.pyc")

    def ignored(folder, names):
        top = NOT_SOURCE if Path(folder) == Path(ROOT) else ()
        return set(top) & set(names) | caches(folder, names)

    tree = Path(shutil.copytree(ROOT, base / "tree", symlinks=True, ignore=ignored))
    sdist = build(tree, "sdist", base / "sdist")
    with tarfile.open(sdist) as packed:
        packed.extractall(base / "unpacked", filter="data")
    (unpacked,) = (base / "unpacked").iterdir()
    return {
        "tree": tree,
        "unpacked": unpacked,
        "wheel": build(unpacked, "wheel", base / "from-sdist"),
        "wheel of the tree": build(tree, "wheel", base / "from-tree"),
        "editable": build(tree, "editable", base / "editable"),
    }


def importable(names):
    """Return the top-level names that files in an installation's folder add."""
    tops = {name.split("/")[0] for name in names}
    return {top.partition(".")[0] for top in tops if not top.endswith((".dist-info", ".pth"))}


def files(wheel):
    """Return the names of a wheel's files."""
    with zipfile.ZipFile(wheel) as packed:
        return packed.namelist()


@pytest.mark.slow
def test_the_wheel_adds_one_name(built):
    assert importable(files(built["wheel"])) == {"joulebird"}


@pytest.mark.slow
def test_the_editable_install_adds_one_name(built):
    names = importable(files(built["editable"]))
    assert {name for name in names if not name.startswith("__editable___joulebird")} == set()
    with zipfile.ZipFile(built["editable"]) as packed:
        (finder,) = [name for name in packed.namelist() if name.endswith("_finder.py")]
        text = packed.read(finder).decode()
    (mapping,) = [line for line in text.splitlines() if line.startswith("MAPPING")]
    assert mapping.partition("=")[2].strip().startswith("{'joulebird': ")
    assert mapping.count(": '") == 1


@pytest.mark.slow
def test_tree_and_sdist_give_the_same_wheel(built):
    of_tree, of_sdist = files(built["wheel of the tree"]), files(built["wheel"])
    assert set(of_tree) == set(of_sdist)


@pytest.mark.slow
def test_the_wheel_holds_every_product_file(built):
    home = built["tree"] / "joulebird"
    packed = set(files(built["wheel"]))
    for room in ROOMS:
        for path, _, names in os.walk(home / room):
            for name in names:
                wanted = "joulebird/" + Path(path, name).relative_to(home).as_posix()
                assert wanted in packed


@pytest.mark.slow
def test_the_sdist_holds_tests_and_documents(built):
    unpacked = built["unpacked"]
    for name in (
        "Makefile",
        "requirements.txt",
        "README.md",
        "ARCHITECTURE.md",
        "bootstrap_pip.py",
    ):
        assert (unpacked / name).is_file(), name
    wanted = {path.relative_to(ROOT) for path in Path(ROOT, "tests").rglob("*.*")}
    wanted |= {path.relative_to(ROOT) for path in Path(ROOT, "docs").rglob("*.md")}
    missing = [str(path) for path in wanted if not (unpacked / path).exists()]
    assert not [name for name in missing if "__pycache__" not in name]


@pytest.mark.slow
def test_the_installed_package_imports_and_prints_its_help(built, tmp_path):
    """In a folder whose own files have the names of our rooms."""
    site = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "-q"]
    command += ["--no-deps", "--no-index", "--target", str(site), str(built["wheel"])]
    subprocess.run(command, check=True)
    assert importable(name for name in os.listdir(site) if name != "bin") == {"joulebird"}
    here = tmp_path / "here"
    here.mkdir()
    for name in ROOMS:
        (here / f"{name}.py").write_text("raise SystemExit('shadowed')")
    program = "import joulebird, joulebird.reports.logs.trace; print(joulebird.__file__)"
    environment = dict(os.environ, PYTHONPATH=str(site))
    for arguments, wanted in (
        (["-c", program], str(site)),
        (["-m", "joulebird", "--help"], "joulebird VERB"),
        (["-m", "joulebird", "flops", "--help"], "--model"),
    ):
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=here,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert wanted in done.stdout


@pytest.mark.slow
def test_the_unpacked_sdist_passes_tests_of_its_own(built):
    """Those that walk the whole tree: layers, warnings, doctests."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0"]
        + ["tests/test_layers.py", "tests/test_warnings.py", "tests/test_doctests.py"],
        cwd=built["unpacked"],
        env={k: v for k, v in os.environ.items() if not k.startswith(("PYTHONPATH", "PYTEST"))},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-3000:]


WITHOUT_TORCH = """
import sys
sys.modules.update(torch=None, torchvision=None)
from joulebird.harness.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def without_torch(folder, *words):
    """Run a command line where torch is not installed."""
    command = [sys.executable, "-c", WITHOUT_TORCH, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.mark.slow
def test_the_core_works_without_torch(tmp_path):
    for line in (
        "measure --source simulated --log power.csv -- true",
        "energy power.csv",
        "table 2 --recount",
        "run smoke -n --source none",
        "sources",
    ):
        done = without_torch(tmp_path, *line.split())
        assert done.returncode == 0, f"{line}: {done.stderr}"


@pytest.mark.slow
def test_a_verb_that_needs_torch_names_the_remedy(tmp_path):
    for line in ("run smoke --source none", "flops --model vgg16 --dataset digits", "plan smoke"):
        done = without_torch(tmp_path, *line.split())
        assert done.returncode == 2
        assert "joulebird[train]" in done.stderr.splitlines()[-1]


def imported_by(path):
    """Return the packages outside joulebird that a file imports, by statement or by name."""
    tree = tree_of(path)
    names = list(imports(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            names += [node.args[0].value] if called == "import_module" else []
    tops = {name.split(".")[0] for name in names if not is_standard(name)}
    return tops - {"joulebird"}


def test_what_is_declared_is_what_the_product_uses():
    project = tomllib.loads(Path(ROOT, "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = project["dependencies"] + sum(project["optional-dependencies"].values(), [])
    declared = {text.partition(">")[0] for text in listed}
    imported = set().union(*(imported_by(path) for path in sources()))
    started = {"snakemake"}  # a program that is started, never imported
    assert {IMPORT_NAMES.get(name, name) for name in declared} == imported | started


def test_the_core_has_no_torch():
    project = tomllib.loads(Path(ROOT, "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert not [text for text in project["dependencies"] if "torch" in text]
