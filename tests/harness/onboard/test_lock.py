"""The board's lock: one holder, with a name; gone with its last holder."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.onboard import lock

HOLD = """
import sys
from joulebird.harness.onboard import lock
handle = lock.open_lock(sys.argv[1])
print(lock.try_lock(handle, {"user": "ann", "job": "j"}), flush=True)
sys.stdin.read()
"""


def hold(path):
    """A process that holds the lock until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"True\n"
    return process


def test_free_then_held_then_free(tmp_path):
    path = tmp_path / "lock"
    assert lock.holder(str(path)) is None
    with hold(path) as process:
        assert lock.holder(str(path)) == {"user": "ann", "job": "j"}
        assert not lock.try_lock(lock.open_lock(str(path)), {"user": "bob"})
        process.stdin.close()
        process.wait()
    assert lock.holder(str(path)) is None


def test_a_killed_holder_leaves_nothing(tmp_path):
    path = tmp_path / "lock"
    with hold(path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert lock.holder(str(path)) is None
        process.stdin.close()


def test_a_child_with_the_descriptor_holds_it_too(tmp_path):
    path = str(tmp_path / "lock")
    handle = lock.open_lock(path)
    assert lock.try_lock(handle, {"user": "ann"})
    child = subprocess.Popen(["sleep", "60"], pass_fds=(handle,))
    os.close(handle)
    assert lock.holder(path) == {"user": "ann"}
    child.kill()
    child.wait()
    assert lock.holder(path) is None


def test_waiting_ends_with_the_holder(tmp_path):
    path = tmp_path / "lock"
    done = []
    with hold(path) as process:
        waiter = threading.Thread(
            target=lambda: (lock.wait_until_free(str(path)), done.append(True))
        )
        waiter.start()
        waiter.join(0.2)
        assert not done
        process.stdin.close()
        process.wait()
        waiter.join(10)
    assert done


def test_other_users_may_open_it(tmp_path):
    path = tmp_path / "lock"
    old = os.umask(0o077)
    try:
        os.close(lock.open_lock(str(path)))
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o666


def test_an_impossible_place_says_what_to_do(tmp_path):
    with pytest.raises(HarnessError) as caught:
        lock.open_lock(str(tmp_path / "absent" / "lock"))
    assert "lock =" in caught.value.hint
    assert caught.value.exit_code == 3
