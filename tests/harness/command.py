"""The command line in this process, and in one of its own."""

import contextlib
import io
import os
import subprocess
import sys

from joulebird.harness.cli.main import main


def joulebird(*words):
    """Run the command here; gives its exit code, stdout and stderr."""
    out, errors = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        try:
            code = main([str(word) for word in words])
        except SystemExit as end:
            code = end.code or 0
    return (code, *(stream.buffer.getvalue().decode("utf-8") for stream in (out, errors)))


def process(*words, **options):
    """Run the command in a process; gives its exit code, stdout and stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "joulebird"] + [str(word) for word in words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        env=dict(os.environ, OMP_NUM_THREADS="1"),
        **options,
    )
    return done.returncode, done.stdout, done.stderr


def refused(code, words, *parts):
    """The command is refused with this exit code, in one or two lines that hold these parts."""
    got, out, errors = joulebird(*words)
    lines = errors.splitlines()
    assert got == code, errors
    assert 1 <= len(lines) <= 2
    assert lines[0].startswith("joulebird: ")
    assert out == ""
    for part in parts:
        assert part in errors
    return errors
