"""Pack the package into a zip file, as it travels to a board."""

import os
import zipfile

from tests.test_layers import ROOT


def pack(archive, main=""):
    """Write what devices/ needs into a zip file; `main` is the text of its __main__.py."""
    home = os.path.join(ROOT, "joulebird")
    with zipfile.ZipFile(archive, "w") as packed:
        packed.write(os.path.join(home, "__init__.py"), "joulebird/__init__.py")
        packed.write(os.path.join(home, "harness", "__init__.py"), "joulebird/harness/__init__.py")
        for top in ("devices", os.path.join("harness", "core")):
            for folder, _, names in os.walk(os.path.join(home, top)):
                for name in sorted(names):
                    if name.endswith(".py"):
                        path = os.path.join(folder, name)
                        packed.write(path, os.path.join("joulebird", os.path.relpath(path, home)))
        packed.writestr("__main__.py", main)
