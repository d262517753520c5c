"""The embedded servers, entered by their front door: the command line that `make test` itself uses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EMBEDDED = [sys.executable, "-m", "config.embedded"]
SERVERS = ("DATABASE_URL", "BROKER_URL")

COUNT_STARTS = """
import os, kombu, psycopg
with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    connection.execute("CREATE TABLE IF NOT EXISTS starts (id serial)")
    connection.execute("INSERT INTO starts DEFAULT VALUES")
    print(connection.execute("SELECT count(*) FROM starts").fetchone()[0])
with kombu.Connection(os.environ["BROKER_URL"]) as broker:
    queue = broker.SimpleQueue("bell")
    queue.put("ring")
    print(queue.get(timeout=5).payload)
"""


def environment(**given: str) -> dict[str, str]:
    return {**{name: value for name, value in os.environ.items() if name not in SERVERS}, **given}


def command(data: Path, *words: str) -> list[str]:
    return [*EMBEDDED, "run", "--volatile", "--data", str(data), "--", *words]


def run(data: Path, *words: str, **given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(data, *words), cwd=ROOT, env=environment(**given), capture_output=True, text=True, timeout=60
    )


def erase(data: Path) -> int:
    return subprocess.run([*EMBEDDED, "erase", "--data", str(data)], cwd=ROOT, timeout=60).returncode


def server_pids(data: Path) -> list[int]:
    return [int(file.read_text()) for file in data.glob("*.pid")]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "a place with spaces" / ("long" * 25) / "data"
    yield directory
    assert erase(directory) == 0
    assert not directory.exists()


@pytest.fixture
def sleeper(data: Path) -> Iterator[subprocess.Popen[str]]:
    """A command under its servers, which says when it runs."""
    script = "import time; print('up', flush=True); time.sleep(60)"
    process = subprocess.Popen(
        command(data, sys.executable, "-c", script),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield process
        process.kill()


def test_the_servers_start_cold_then_warm_with_their_data_and_end_with_the_command(data: Path) -> None:
    for starts in ("1", "2"):
        result = run(data, sys.executable, "-c", COUNT_STARTS)
        assert result.stdout.split() == [starts, "ring"], result.stderr
        assert server_pids(data) == []


def test_the_exit_code_is_the_commands(data: Path) -> None:
    given = {"DATABASE_URL": "postgresql://db/x"}
    assert run(data, "sh", "-c", "exit 7", **given).returncode == 7
    assert run(data, "sh", "-c", "kill -TERM $$", **given).returncode == 128 + signal.SIGTERM
    assert run(data, "no-such-program", **given).returncode == 127


def test_what_the_environment_gives_is_not_started(tmp_path: Path) -> None:
    given = {"DATABASE_URL": "postgresql://db.example/x", "BROKER_URL": "amqp://broker.example"}
    result = run(tmp_path / "data", "sh", "-c", "echo $DATABASE_URL $BROKER_URL", **given)
    assert result.stdout.split() == list(given.values())
    assert not (tmp_path / "data").exists()


def test_a_signal_reaches_the_command_and_the_servers_end(sleeper: subprocess.Popen[str], data: Path) -> None:
    pids = server_pids(data)
    assert len(pids) == 2
    sleeper.send_signal(signal.SIGTERM)
    assert sleeper.wait(30) == 128 + signal.SIGTERM
    assert not any(is_running(pid) for pid in pids)


@pytest.mark.slow
def test_after_kill_9_of_the_owner_its_servers_end_and_the_next_start_works(
    sleeper: subprocess.Popen[str], data: Path
) -> None:
    pids = server_pids(data)
    sleeper.kill()
    result = run(data, sys.executable, "-c", COUNT_STARTS)
    assert result.stdout.split() == ["1", "ring"], result.stderr
    wait_until(lambda: not any(is_running(pid) for pid in pids))


@pytest.mark.slow
def test_after_kill_9_of_the_servers_a_stale_pid_does_not_hinder_the_next_start(
    sleeper: subprocess.Popen[str], data: Path
) -> None:
    for pid in server_pids(data):
        os.kill(pid, signal.SIGKILL)
    sleeper.kill()
    sleeper.wait()
    assert run(data, sys.executable, "-c", COUNT_STARTS).stdout.split() == ["1", "ring"]


@pytest.mark.slow
def test_a_second_command_joins_the_running_servers_and_leaves_them_running(
    sleeper: subprocess.Popen[str], data: Path
) -> None:
    result = run(data, sys.executable, "-c", COUNT_STARTS)
    assert result.stdout.split() == ["1", "ring"], result.stderr
    assert all(is_running(pid) for pid in server_pids(data))
    assert len(server_pids(data)) == 2


@pytest.mark.slow
def test_data_in_use_is_not_erased(sleeper: subprocess.Popen[str], data: Path) -> None:
    assert erase(data) == 1
    assert data.exists()
    sleeper.terminate()
    sleeper.wait(30)


def test_a_directory_that_holds_something_else_is_not_erased(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    assert erase(tmp_path) == 1
    assert (tmp_path / "letter.txt").exists()
