"""A folder whose files have the names of modules that joulebird and Python import."""

import os

MODULES = ("random", "json", "selectors", "platform", "argparse", "numpy", "torch")
PACKAGES = ("devices", "harness", "baselines", "reports", "joulebird")


def fill(folder):
    """Write modules and packages that end any process that imports them."""
    names = [name + ".py" for name in MODULES]
    names += [os.path.join(package, "__init__.py") for package in PACKAGES]
    for name in names:
        path = os.path.join(str(folder), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(
                "import os\nos.write(2, b'SHADOWED by ' + __file__.encode())\nos._exit(99)\n"
            )


def write_command(folder):
    """Write the script that an installation puts on the PATH and return its name.

    With `python -m joulebird`, Python itself searches the current folder before anything of ours
    runs.
    """
    path = os.path.join(str(folder), "joulebird-command.py")
    with open(path, "w") as file:
        file.write("import sys\nfrom joulebird.harness.cli.main import main\nsys.exit(main())\n")
    return path
