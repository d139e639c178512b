"""The layer table of ARCHITECTURE.md, enforced on every import, also on those in strings."""

import ast
import os
import re
import sys

import pytest

from joulebird import PUBLIC
from joulebird.harness.verbs import ON_A_BOARD

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDERS = ("devices", "baselines", "harness", "reports")
CORE = "joulebird.harness.core"
LAYERS = {  # layer -> what it may import beside the standard library, the leaf and itself
    "harness/core": set(),
    "devices": set(),
    "baselines": {"numpy", "torch", "torchvision", "PIL"},
    "harness": {"joulebird.devices", "joulebird.baselines"},
    "harness/host": {
        "joulebird.harness",
        "joulebird.reports",
        "joulebird.devices",
        "joulebird.baselines",
        "rich",
        "snakemake",
    },
    "reports": {"numpy", "matplotlib"},
}
THIRD_PARTY = (
    "numpy",
    "torch",
    "torchvision",
    "PIL",
    "pandas",
    "matplotlib",
    "serial",
    "jtop",
    "pynvml",
    "pyarrow",
    "rich",
    "snakemake",
    "pytest",
)
ONE_FILE = {  # a third-party package that one file alone may import
    "serial": "devices/serial_meter/transport.py",
    "jtop": "devices/jtop/client.py",
    "pynvml": "devices/nvml.py",
    "pyarrow": "reports/columns.py",
    "pandas": "reports/logs/trace.py",
}
# The desk's part, which a board lacks, is reached inside a function.
NAMED = {
    "harness/cli/main.py": {"joulebird.harness.host.boards.remote_verbs"},
    "harness/verbs/run.py": {"joulebird.harness.host"},
}
# Outside the registries (`__init__.py`) and the entry points of processes (`...:main`), a string
# names a module only where an import could not: data of a package, a part that a board lacks, and
# packages whose absence must be an error with a remedy (torch).
IN_STRINGS = {
    "baselines/data/digits.py": {"joulebird.baselines.data"},
    "harness/host/studies/study.py": {"joulebird.harness"},
    "harness/host/studies/plan.py": {"joulebird.baselines.training"},
    "harness/verbs/flops.py": {"joulebird.baselines.training"},
    "harness/verbs/run.py": {"joulebird.harness.host"},
}
DOTTED = re.compile(r"(joulebird(?:\.\w+)+)(\.?(:\w*)?|[.:]\S*)")


def sources():
    for folder in FOLDERS:
        for path, _, names in os.walk(os.path.join(ROOT, "joulebird", folder)):
            for name in sorted(names):
                if name.endswith(".py"):
                    yield os.path.relpath(
                        os.path.join(path, name), os.path.join(ROOT, "joulebird")
                    ).replace(os.sep, "/")


def tree_of(path):
    with open(os.path.join(ROOT, "joulebird", path), encoding="utf-8") as source:
        return ast.parse(source.read(), path)


def module_of(path):
    """The importable name of a product file."""
    return "joulebird." + path[:-3].replace("/", ".")


def imports(tree):
    """The dotted names that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the layer"
            for alias in node.names:
                yield f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Attribute) and getattr(node.value, "id", None) == "joulebird":
            yield PUBLIC.get(node.attr, f"joulebird.{node.attr}")  # the face is lazy


def named(tree):
    """The dotted names of the package that a module holds as text, also the beginning of one."""
    for node in ast.walk(tree):
        text = (
            getattr(node, "s", None) if sys.version_info < (3, 8) else getattr(node, "value", None)
        )
        if isinstance(text, str) and DOTTED.fullmatch(text):
            whole = re.match(r"[\w.:]*", text).group()
            yield whole.rstrip(".:").replace(":", ".")


def layer_of(path):
    if path.startswith("harness/verbs/") and os.path.basename(path)[:-3] not in ON_A_BOARD + (
        "__init__",
    ):
        return "harness/host"
    for layer in ("harness/core", "harness/host"):
        if path.startswith(layer + "/"):
            return layer
    return path.split("/")[0]


def is_standard(name):
    top = name.split(".")[0]
    if hasattr(sys, "stdlib_module_names"):
        return top in sys.stdlib_module_names
    return top not in FOLDERS + THIRD_PARTY + ("joulebird",)


def below(name, package):
    return name == package or name.startswith(package + ".")


def allowed(path, name):
    layer = layer_of(path)
    if is_standard(name) or below(name, CORE) or name in ("joulebird", "joulebird.__version__"):
        return True
    if ONE_FILE.get(name.split(".")[0]) == path or any(
        below(name, may) for may in NAMED.get(path, ())
    ):
        return True
    if layer == "harness" and below(name, "joulebird.harness.host"):
        return False
    own = "harness/core" if layer == "harness/core" else path.split("/")[0]
    return any(below(name, may) for may in LAYERS[layer] | {"joulebird." + own.replace("/", ".")})


@pytest.mark.parametrize("path", list(sources()))
def test_a_file_imports_only_what_its_layer_may(path):
    tree = tree_of(path)
    wrong = [name for name in list(imports(tree)) + list(named(tree)) if not allowed(path, name)]
    assert not wrong, "{} may not import {}".format(path, ", ".join(wrong))


@pytest.mark.parametrize("path", [p for p in sources() if layer_of(p) == "harness"])
def test_the_harness_imports_the_folders_beside_it_lazily(path):
    """So that the command line starts at once, and a board without torch can still say so."""
    eager = [node for node in tree_of(path).body if isinstance(node, (ast.Import, ast.ImportFrom))]
    wrong = [
        name
        for node in eager
        for name in imports(ast.Module(body=[node], type_ignores=[]))
        if below(name, "joulebird.baselines") and name.rpartition(".")[2].islower()
    ]
    assert not wrong


def test_strings_name_modules_only_where_an_import_cannot():
    for path in sources():
        if os.path.basename(path) == "__init__.py":
            continue
        names = [name for name in named(tree_of(path)) if not name.endswith(".main")]
        may = IN_STRINGS.get(path, ())
        wrong = [name for name in names if not any(below(name, prefix) for prefix in may)]
        assert not wrong, (path, wrong)


def test_nothing_is_imported_under_another_name():
    """`import devices` from the root of a checkout would give every class a second time."""
    for path in sources():
        wrong = [name for name in imports(tree_of(path)) if name.split(".")[0] in FOLDERS]
        assert not wrong, path


def test_the_walk_sees_what_is_forbidden():
    """The checker itself: each of these must be refused."""
    for path, name in [
        ("devices/x.py", "torch"),
        ("devices/x.py", "joulebird.baselines.training.loop"),
        ("baselines/x.py", "joulebird.devices.source"),
        ("baselines/x.py", "joulebird.harness.runs.run"),
        ("harness/x.py", "joulebird.harness.host.cli"),
        ("harness/x.py", "joulebird.reports.logs.trace"),
        ("reports/x.py", "joulebird.harness.runs.run"),
        ("reports/x.py", "torch"),
        ("devices/x.py", "serial"),
        ("harness/verbs/run.py", "joulebird.reports.logs.trace"),
        ("harness/core/x.py", "joulebird.devices.source"),
    ]:
        assert not allowed(path, name), (path, name)
    for path, name in [
        ("reports/x.py", "joulebird.harness.core.records.RunRecord"),
        ("harness/host/x.py", "joulebird.reports.tables.table2"),
        ("harness/verbs/table.py", "joulebird.reports.tables.table2"),
        ("devices/x.py", "os.path"),
    ]:
        assert allowed(path, name), (path, name)
    for text, name in [
        (
            'load("joulebird.reports.logs.trace:PowerTrace")',
            "joulebird.reports.logs.trace.PowerTrace",
        ),
        ('load(f"joulebird.reports.tables.{name}")', "joulebird.reports.tables"),
        ('load("joulebird.reports." + name)', "joulebird.reports"),
        ('load("joulebird.reports.%s" % name)', "joulebird.reports"),
        ('load("joulebird.reports.{}:draw".format(name))', "joulebird.reports"),
    ]:
        assert list(named(ast.parse(text))) == [name]
    for text, name in [
        ("import joulebird\njoulebird.reports.logs.trace", "joulebird.reports"),
        ("import joulebird\njoulebird.PowerTrace.load(path)", "joulebird.reports.logs.trace"),
    ]:
        assert list(imports(ast.parse(text))) == ["joulebird", name]
