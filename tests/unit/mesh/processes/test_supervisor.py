"""The supervisor with tiny real processes in place of the services."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mesh.processes.child import Child, ServiceSpec
from mesh.processes.supervisor import RestartPolicy, StartFailed, Supervisor, is_ready

QUICK = RestartPolicy(
    tick=0.02, probe=0.05, probe_ready=0.1, first_delay=0.1, longest_delay=0.4, grace=5, reminder=9
)

SERVER = """
import http.server, json, pathlib, sys
port, state = int(sys.argv[1]), pathlib.Path(sys.argv[2])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ready = not state.exists()
        body = json.dumps({"engines": {"a": {"state": "ready"},
            "kokoro": {"state": "failed", "reason": "no model"}}, "status": "x"}).encode()
        self.send_response(200 if ready else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        print("asked", flush=True)
http.server.ThreadingHTTPServer.allow_reuse_address = True
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def python(name: str, program: str, *arguments: object, port: int = 0) -> ServiceSpec:
    command = (sys.executable, "-c", program, *map(str, arguments))
    return ServiceSpec(name, command, port, ready_path="/readyz" if port else "")


def server(name: str, not_ready: Path) -> ServiceSpec:
    port = free_port()
    return python(name, SERVER, port, not_ready, port=port)


def is_alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


class Watch:
    """A supervisor whose loop runs in the test's thread, with scripted events in another."""

    def __init__(self, tmp_path, services, pace=QUICK):
        self.told = []
        self.lines = []
        self.ready = threading.Event()
        self.supervisor = Supervisor(
            services,
            folder=tmp_path,
            logs=tmp_path / "logs",
            tell=lambda name, text, tone: self.told.append((name, text, tone)),
            on_line=lambda name, line: self.lines.append((name, line)),
            pace=pace,
        )

    def run(self, script):
        """Run until ``script`` is done; its failure is the test's failure."""
        failures = []

        def scripted():
            try:
                script()
            except BaseException as error:
                failures.append(error)
            finally:
                self.supervisor.stop.set()

        thread = threading.Thread(target=scripted)
        thread.start()
        try:
            self.supervisor.run(lambda seconds: self.ready.set())
        finally:
            self.supervisor.stop.set()
            thread.join()
        if failures:
            raise failures[0]

    def pid(self, number=0):
        child = self.supervisor._services[number].child
        return child.pid if child else 0

    def heard(self, words):
        return any(words in text for _, text, _ in list(self.told))


def test_services_get_ready_in_order_and_stop_cleanly(tmp_path):
    blocked = tmp_path / "blocked"
    blocked.touch()
    watch = Watch(tmp_path, [server("first", blocked), server("second", tmp_path / "none")])
    pids = []

    def script():
        wait_for(lambda: watch.lines)
        assert not watch.ready.is_set()
        blocked.unlink()
        assert watch.ready.wait(20)
        pids.extend([watch.pid(0), watch.pid(1)])

    watch.run(script)
    assert [name for name, text, _ in watch.told if text == "ready"] == ["first", "second"]
    assert not any(is_alive(pid) for pid in pids)
    assert not watch.heard("killed")
    first = watch.supervisor._services[0].spec
    assert "asked" in watch.supervisor.log_of(first).read_text()


def test_a_crashed_service_comes_back_with_growing_delays(tmp_path):
    watch = Watch(tmp_path, [server("tts", tmp_path / "none")])

    def script():
        assert watch.ready.wait(20)
        for crash in range(1, 5):
            old = watch.pid()
            os.kill(old, signal.SIGKILL)
            wait_for(lambda old=old: watch.pid() not in (0, old))
            wait_for(lambda crash=crash: sum(t == "ready again" for _, t, _ in watch.told) == crash)

    watch.run(script)
    delays = [
        text.split("again in ")[1].split()[0] for _, text, tone in watch.told if "in " in text
    ]
    assert delays == ["0.1", "0.2", "0.4", "0.4"]
    assert watch.heard("was killed by signal 9")
    assert watch.heard("log: ")


def test_a_mesh_is_not_ready_while_a_service_that_was_is_being_started_again(tmp_path):
    blocked = tmp_path / "blocked"
    blocked.touch()
    pace = replace(QUICK, first_delay=1.0, longest_delay=1.0)
    services = [server("first", tmp_path / "none"), server("second", blocked)]
    watch = Watch(tmp_path, services, pace)

    def script():
        wait_for(lambda: watch.heard("ready"))
        os.kill(watch.pid(), signal.SIGKILL)
        wait_for(lambda: watch.heard("starting it again"))
        blocked.unlink()
        assert not watch.ready.wait(0.6)
        assert watch.ready.wait(20)
        assert watch.pid()

    watch.run(script)


def test_a_service_that_ran_steadily_starts_over_with_the_first_delay(tmp_path):
    pace = RestartPolicy(tick=0.02, probe=0.05, first_delay=0.1, longest_delay=9, steady=0.0)
    watch = Watch(tmp_path, [python("tts", "import time; time.sleep(60)")], pace)

    def script():
        assert watch.ready.wait(20)
        for _ in range(3):
            old = watch.pid()
            os.kill(old, signal.SIGKILL)
            wait_for(lambda old=old: watch.pid() not in (0, old))

    watch.run(script)
    assert sum("again in 0.1 s" in text for _, text, _ in watch.told) == 3


def test_losing_and_regaining_readiness_is_told(tmp_path):
    blocked = tmp_path / "blocked"
    watch = Watch(tmp_path, [server("tts", blocked)])

    def script():
        assert watch.ready.wait(20)
        blocked.touch()
        wait_for(lambda: watch.heard("not ready: kokoro: failed, no model"))
        blocked.unlink()
        wait_for(lambda: watch.heard("ready again"))

    watch.run(script)


def test_a_service_that_cannot_start_ends_the_start_with_its_last_words(tmp_path):
    steady = server("stt", tmp_path / "none")
    broken = python("tts", "raise SystemExit('no such setting')", port=free_port())
    watch = Watch(tmp_path, [steady, broken])
    with pytest.raises(StartFailed, match="3 times in a row") as caught:
        watch.run(lambda: watch.supervisor.stop.wait(30))
    assert "no such setting" in caught.value.message
    assert watch.pid(0) == watch.pid(1) == 0


def test_not_getting_ready_is_given_up_and_says_why(tmp_path):
    blocked = tmp_path / "blocked"
    blocked.touch()
    pace = RestartPolicy(tick=0.02, probe=0.05, start_timeout=1.5, reminder=0.3, grace=5)
    watch = Watch(tmp_path, [server("tts", blocked)], pace)
    with pytest.raises(StartFailed, match=r"tts \(kokoro: failed, no model\)"):
        watch.run(lambda: watch.supervisor.stop.wait(30))
    assert watch.heard("waiting for tts")


STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("hurried", [False, True])
def test_what_does_not_stop_is_killed(tmp_path, hurried):
    pace = RestartPolicy(tick=0.02, probe=0.05, grace=30 if hurried else 0.3)
    watch = Watch(tmp_path, [python("stubborn", STUBBORN)], pace)
    pids = []

    def script():
        wait_for(lambda: watch.lines)
        pids.append(watch.pid())
        watch.supervisor.stop.set()
        if hurried:
            watch.supervisor.hurry.set()

    watch.run(script)
    assert watch.heard("did not finish in time; killed")
    assert not is_alive(pids[0])


WITH_WORKER = """
import subprocess, sys, time
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(worker.pid, flush=True)
time.sleep(60)
"""


def test_workers_of_a_killed_master_do_not_stay(tmp_path):
    child = Child(python("tts", WITH_WORKER), tmp_path, tmp_path / "log", lambda _: None)
    worker = int(wait_for(lambda: child.tail)[0])
    os.kill(child.pid, signal.SIGKILL)
    assert wait_for(child.status) == -signal.SIGKILL
    wait_for(lambda: not is_alive(worker))
    child.ask_to_stop()
    child.kill()


def test_logs_begin_a_new_file_when_they_are_long(tmp_path, monkeypatch):
    monkeypatch.setattr("mesh.processes.child.LOG_BYTES", 500)
    program = "for n in range(30): print('line', n, 'é' * 20)"
    child = Child(python("tts", program), tmp_path, tmp_path / "log", lambda _: None)
    assert wait_for(lambda: child.status() is not None)
    assert child.status() == 0
    assert (tmp_path / "log").stat().st_size <= 500
    assert "line 29 é" in (tmp_path / "log").read_text("utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1", "log.2"]


SUPERVISE = """
import sys, pathlib
from mesh.processes.child import ServiceSpec
from mesh.processes.supervisor import Supervisor
folder = pathlib.Path(sys.argv[1])
program = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
spec = ServiceSpec("sleeper", (sys.executable, "-c", program), ready_path="")
Supervisor([spec], folder=folder, logs=folder, tell=lambda *_: None,
           on_line=lambda name, line: print(line, flush=True)).run(lambda _: None)
"""


def test_services_end_when_the_supervisor_is_killed(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISE, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as supervisor:
        assert supervisor.stdout is not None
        pid = int(supervisor.stdout.readline())
        assert is_alive(pid)
        supervisor.kill()
        wait_for(lambda: not is_alive(pid))


def test_a_program_is_not_started_for_a_parent_that_is_gone(tmp_path):
    end_with_parent = Path(__file__).parents[4] / "mesh" / "processes" / "end_with_parent.py"
    done = subprocess.run(
        [sys.executable, str(end_with_parent), "1", "touch", str(tmp_path / "started")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "supervisor is gone" in done.stderr
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"no json", "not ready"),
        (b"[]", "not ready"),
        (b'{"status": "not_ready"}', "not ready"),
        (b'{"upstreams": {"tts": "not_ready", "stt": "ready"}}', "tts: not_ready"),
    ],
)
def test_what_a_probe_says(body, words):
    answer = b"HTTP/1.1 503 x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        spec = ServiceSpec("x", (), listener.getsockname()[1])
        assert is_ready(spec) == (False, words)
        thread.join()


def test_nobody_answers():
    assert is_ready(ServiceSpec("x", (), free_port())) == (False, "no answer yet")
