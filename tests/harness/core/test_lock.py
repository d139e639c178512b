"""A lock: one holder, with a name; gone with its last holder; safe against other users' files."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from joulebird.harness.core import lock
from joulebird.harness.core.errors import HarnessError

HOLD = """
import sys
from joulebird.harness.core import lock
print(lock.take(sys.argv[1], {"user": "ann", "job": "j"}) >= 0, flush=True)
sys.stdin.read()
"""
OTHER = 12345  # a user without any right here


def hold(path):
    """A process that holds the lock until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"True\n"
    return process


def test_free_then_held_then_free(tmp_path):
    path = str(tmp_path / "lock")
    assert lock.holder(path) is None
    with hold(path) as process:
        facts = lock.holder(path)
        assert (facts["user"], facts["job"], facts["pid"]) == ("ann", "j", process.pid)
        assert lock.take(path, {"user": "bob"}) == -1
        assert lock.holder(path)["user"] == "ann"
        process.stdin.close()
        process.wait()
    assert lock.holder(path) is None


def test_a_killed_holder_leaves_nothing(tmp_path):
    path = tmp_path / "lock"
    with hold(path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert lock.holder(str(path)) is None
        process.stdin.close()


def test_a_child_with_the_descriptor_holds_it_too(tmp_path):
    path = str(tmp_path / "lock")
    handle = lock.take(path, {"user": "ann"})
    child = subprocess.Popen(["sleep", "60"], pass_fds=(handle,))
    os.close(handle)
    assert lock.holder(path)["user"] == "ann"
    child.kill()
    child.wait()
    assert lock.holder(path) is None


def test_a_child_takes_the_lock_that_its_parent_holds_for_it(tmp_path, monkeypatch):
    path = str(tmp_path / "lock")
    handle = lock.take(path)
    assert lock.take(path) == -1
    monkeypatch.setenv(lock.HELD, lock.identity(handle))
    assert lock.take(path) >= 0
    assert lock.take(str(tmp_path / "other")) >= 0
    assert lock.take(str(tmp_path / "other")) == -1


@pytest.mark.parametrize("patience_s", [0.5, float("inf")])
def test_waiting_ends_with_the_holder(tmp_path, patience_s):
    path = str(tmp_path / "lock")
    done = []

    def wait():
        if patience_s == 0.5:
            lock.wait_until_free(path)
        done.append(lock.take(path, patience_s=patience_s) >= 0)

    with hold(path) as process:
        waiter = threading.Thread(target=wait)
        waiter.start()
        waiter.join(0.7)
        assert not done
        process.stdin.close()
        process.wait()
        waiter.join(10)
    assert done == [True]


def test_a_lock_file_that_is_removed_and_made_anew_lets_one_in(tmp_path):
    path = str(tmp_path / "lock")
    first = os.open(path, os.O_RDWR | os.O_CREAT)
    os.remove(path)
    assert not lock.grab(first, path)
    second = lock.take(path)
    assert second >= 0
    assert lock.take(path) == -1


def test_other_users_may_open_it(tmp_path):
    path = tmp_path / "lock"
    old = os.umask(0o077)
    try:
        os.close(lock.take(str(path)))
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o666


def test_an_impossible_place_is_refused(tmp_path):
    with pytest.raises(HarnessError, match="No such file") as caught:
        lock.take(str(tmp_path / "absent" / "lock"))
    assert caught.value.exit_code == 2
    assert "--lock" in caught.value.hint


def test_a_link_is_not_followed_and_nothing_behind_it_is_written(tmp_path):
    keys = tmp_path / "authorized_keys"
    keys.write_text("ssh-rsa mine\n")
    (tmp_path / "lock").symlink_to(keys)
    with pytest.raises(HarnessError, match="lock is a symbolic link") as refused:
        lock.take(str(tmp_path / "lock"), {"user": "ann"})
    assert str(keys) in refused.value.hint
    assert "--lock" in refused.value.hint
    with pytest.raises(HarnessError, match="lock is a symbolic link"):
        lock.holder(str(tmp_path / "lock"))
    assert keys.read_text() == "ssh-rsa mine\n"


def test_a_foreign_file_is_locked_but_never_written(tmp_path):
    path = tmp_path / "lock"
    path.write_text("not ours")
    assert lock.take(str(path), {"user": "ann"}) >= 0
    assert path.read_text() == "not ours"
    assert lock.holder(str(path))["user"] == "ann"


def test_a_fifo_is_refused_at_once(tmp_path):
    os.mkfifo(str(tmp_path / "lock"))
    with pytest.raises(HarnessError, match="no regular file"):
        lock.take(str(tmp_path / "lock"))


def test_the_owners_text_is_printed_without_control_characters(tmp_path):
    path = str(tmp_path / "lock")
    handle = lock.take(path, {"user": "ann\x1b[2J\nroot"})
    assert lock.holder_text(path).startswith(f"process {os.getpid()}, ann?[2J?root, since 20")
    os.close(handle)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can act as another user")
def test_a_text_under_another_users_name_is_not_believed(tmp_path, monkeypatch):
    monkeypatch.setattr(lock.tempfile, "gettempdir", lambda: str(tmp_path))
    path = str(tmp_path / "lock")
    handle = lock.take(path, {"user": "ann"})
    forged = tmp_path / f"joulebird-owner-{lock.identity(handle)}-{OTHER + 1}"
    forged.write_text('{"user": "mallory"}')
    os.chown(str(forged), OTHER, OTHER)
    os.utime(str(forged), (2e9, 2e9))
    assert lock.holder(path)["user"] == "ann"
    forged.rename(tmp_path / f"joulebird-owner-{lock.identity(handle)}-{OTHER}")
    assert lock.holder(path)["user"] == "mallory"  # a user may claim to hold it, for what it helps
    os.close(handle)


def test_the_machines_lock_is_a_file_that_only_root_can_replace(monkeypatch):
    monkeypatch.delenv(lock.MACHINE)
    path = lock.machine()
    facts = os.lstat(path)
    assert facts.st_uid == 0
    assert not facts.st_mode & 0o022
    assert not os.stat(os.path.dirname(path)).st_mode & 0o022
    assert lock.machine("/x/y") == "/x/y"
