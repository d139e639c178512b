"""The layer table of ARCHITECTURE.md, enforced by walking every import."""
import ast
import os
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDERS = ("devices", "baselines", "harness", "reports")
LAYERS = {  # folder -> what it may import beside the standard library and itself
    "devices": set(),
    "baselines": {"numpy", "torch", "torchvision", "PIL"},
    "harness": {"devices", "baselines"},
    "harness/host": {"harness", "reports", "devices", "rich", "snakemake"},
    "reports": {"numpy", "pandas", "matplotlib", "harness.record"},
}
THIRD_PARTY = ("numpy", "torch", "torchvision", "PIL", "pandas", "matplotlib", "serial", "jtop", "pynvml", "rich", "snakemake", "pytest")
ONE_FILE = {  # a third-party package that one file of devices/ is there to import
    "serial": "devices/serial_meter/transport.py",
    "jtop": "devices/jtop_client.py",
    "pynvml": "devices/nvml.py",
}


def sources():
    for folder in FOLDERS:
        for path, _, names in os.walk(os.path.join(ROOT, folder)):
            for name in sorted(names):
                if name.endswith(".py"):
                    yield os.path.relpath(os.path.join(path, name), ROOT).replace(os.sep, "/")


def tree_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as source:
        return ast.parse(source.read(), path)


def imports(tree):
    """The dotted names that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the layer"
            for alias in node.names:
                yield "%s.%s" % (node.module, alias.name)


def layer_of(path):
    folder = path.split("/")[0]
    return "harness/host" if path.startswith("harness/host/") else folder


def is_standard(name):
    top = name.split(".")[0]
    if hasattr(sys, "stdlib_module_names"):
        return top in sys.stdlib_module_names
    return top not in FOLDERS + THIRD_PARTY


def allowed(path, name):
    layer = layer_of(path)
    top = name.split(".")[0]
    if is_standard(name):
        return True
    if layer == "harness" and name.startswith("harness.host"):
        return False
    if top == path.split("/")[0]:
        return True
    if ONE_FILE.get(top) == path:
        return True
    return any(name == may or name.startswith(may + ".") for may in LAYERS[layer])


@pytest.mark.parametrize("path", list(sources()))
def test_a_file_imports_only_what_its_layer_may(path):
    wrong = [name for name in imports(tree_of(path)) if not allowed(path, name)]
    assert not wrong, "%s may not import %s" % (path, ", ".join(wrong))


@pytest.mark.parametrize("path", [p for p in sources() if layer_of(p) == "harness"])
def test_the_harness_imports_the_folders_beside_it_lazily(path):
    """So that the command line starts at once, and a board without torch can still say so."""
    eager = [node for node in tree_of(path).body if isinstance(node, (ast.Import, ast.ImportFrom))]
    wrong = [name for node in eager for name in imports(ast.Module(body=[node], type_ignores=[])) if name.split(".")[0] == "baselines"]
    assert not wrong


def test_the_walk_sees_what_is_forbidden():
    """The checker itself: each of these must be refused."""
    for path, name in [("devices/x.py", "torch"), ("devices/x.py", "baselines.train"), ("baselines/x.py", "devices.base"),
                       ("baselines/x.py", "harness.run"), ("harness/x.py", "harness.host.cli"), ("harness/x.py", "reports.trace"),
                       ("reports/x.py", "harness.run"), ("reports/x.py", "torch"), ("devices/x.py", "serial")]:
        assert not allowed(path, name), (path, name)
    for path, name in [("reports/x.py", "harness.record.RunRecord"), ("harness/host/x.py", "reports.table2"), ("devices/x.py", "os.path")]:
        assert allowed(path, name), (path, name)
