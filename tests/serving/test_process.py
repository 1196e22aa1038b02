"""The service as a process: it answers over a socket, and ends without losing a request."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from command_lines import ROOT
from distill_jax.extras import EXTRAS, are_installed
from runtime_alone import command_alone

pytestmark = pytest.mark.skipif(
    not are_installed(*EXTRAS["serve"]), reason="needs the extra serve: pip install 'distill-jax[serve]'"
)
_JSON = {"Content-Type": "application/json"}
_BODY = json.dumps({"texts": ["w1 w2"]})


class Service:
    """A service that listens."""

    def __init__(self, *words):
        command = [sys.executable, "-m", "distill_jax.serve", "--port", "0", *map(str, words)]
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        self.log, self._reader = [], threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = self.wait_for("listening")["port"]

    def _read(self):
        for line in self.process.stderr:
            self.log.append(json.loads(line))

    def wait_for(self, event, count=1):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = [line for line in self.log if line["event"] == event]
            if len(found) >= count:
                return found[-1]
            time.sleep(0.01)
        raise AssertionError((event, self.log))

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(self, method, path, body=None, headers=_JSON):
        with contextlib.closing(self.connect()) as connection:
            connection.request(method, path, body, headers if body else {})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(60)


@contextlib.contextmanager
def service(*words):
    """Yield a service; it is killed where the test fails."""
    found = Service(*words)
    try:
        yield found
    finally:
        found.process.kill()
        found.process.wait()
        found._reader.join(60)
        found.process.stderr.close()


@contextlib.contextmanager
def half_sent(server):
    """Yield a connection that has sent all of a request but the body's end."""
    with contextlib.closing(socket.create_connection(("127.0.0.1", server.port), 30)) as connection:
        head = ["POST /predict HTTP/1.1", "Host: it", "Content-Type: application/json", f"Content-Length: {len(_BODY)}"]
        connection.sendall("\r\n".join([*head, "", _BODY[:5]]).encode())
        time.sleep(0.3)
        yield connection


def _most_memory(server):
    """Return how much memory a service has had, in bytes."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


def _send(connection, content):
    with contextlib.suppress(OSError):  # the client ends before all is taken
        connection.sendall(content)


def _answer(connection):
    found = http.client.HTTPResponse(connection)
    found.begin()
    return found.status, json.loads(found.read())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_signal_ends_it_when_requests_under_way_are_answered(packed, workers, number):
    with service(packed["linear"], "--workers", workers) as server:
        assert server.ask("POST", "/predict", _BODY)[0] == 200
        with half_sent(server) as connection:
            server.process.send_signal(number)
            server.wait_for("draining", workers)
            connection.sendall(_BODY[5:].encode())
            status, found = _answer(connection)
        assert (status, len(found["predictions"])) == (200, 1)
        assert server.process.wait(60) == 0
        with pytest.raises(ConnectionRefusedError):
            server.connect().connect()


def test_while_it_drains_it_is_not_ready_and_answers_all_the_same(packed):
    with service(packed["linear"], "--workers", 1, "--drain-seconds", 60) as server:
        assert server.ask("GET", "/ready")[0] == 200
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("draining")
        assert server.ask("GET", "/ready") == (503, b'{"status": "draining"}')
        assert server.ask("GET", "/health")[0] == 200
        assert server.ask("POST", "/predict", _BODY)[0] == 200
        assert server.end() == 0  # a second signal does not wait


def test_a_further_signal_does_not_wait_for_requests_under_way(packed):
    with service(packed["linear"], "--workers", 1) as server, half_sent(server):
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("draining")
        time.sleep(0.5)
        assert server.process.poll() is None
        started = time.monotonic()
        assert server.end() == 0
        assert time.monotonic() - started < 10  # --finish-seconds is 30


def test_a_signal_reaches_the_workers_that_are_just_being_forked(packed):
    with service(packed["linear"], "--workers", 40) as server:
        assert server.end() == 0


@pytest.mark.parametrize("beginning", [b"", b"GET /he", b"\r\n"])
def test_a_client_whose_head_does_not_come_is_cut_off(packed, beginning):
    with service(packed["linear"], "--workers", 1, "--read-seconds", 1) as server:
        with contextlib.closing(socket.create_connection(("127.0.0.1", server.port), 20)) as connection:
            connection.sendall(beginning)
            assert connection.recv(1) == b""
        assert server.end() == 0


_CHUNKED = (
    b"POST /predict HTTP/1.1\r\nHost: it\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'd\r\n{"texts": []}\r\n0\r\n'
)


@pytest.mark.parametrize(
    "beginning",
    [b"GET /health HTTP/1.1\r\nHost: it\r\n", b"GET /", _CHUNKED, _CHUNKED + b"\r\nGET /health HTTP/1.1\r\n"],
)
def test_a_client_whose_headers_are_too_large_is_cut_off_while_it_sends(packed, beginning):
    with service(packed["linear"], "--workers", 1) as server:
        with contextlib.closing(server.connect()) as connection:
            for _ in range(3):  # what a head may have is that head's own
                connection.request("GET", "/health", headers={"A": "b" * 40_000})
                assert connection.getresponse().read() == b'{"status": "ok"}'
        lines = b"a" * 1_000_000 if beginning == b"GET /" else b"A: b\r\n" * 100_000
        with contextlib.closing(socket.create_connection(("127.0.0.1", server.port), 20)) as connection:
            connection.sendall(beginning)
            with pytest.raises(ConnectionError):
                connection.sendall(lines * 100)
        assert server.end() == 0


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the memory of a process is read from Linux's /proc")
def test_requests_that_come_before_their_turn_wait_in_little_memory_and_are_answered(packed):
    body, found = _BODY.encode(), []
    request = b"POST /predict HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    asked = b"GET /health HTTP/1.1\r\n\r\n" + request + body
    with service(packed["linear"], "--workers", 1) as server:
        server.ask("GET", "/health")
        before = _most_memory(server)
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
            sender = threading.Thread(target=_send, args=(connection, asked * 10_000))
            sender.start()
            with connection.makefile("rb") as answers:
                for _ in range(200):
                    assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
                    headers = dict(line.strip().split(b": ") for line in iter(answers.readline, b"\r\n"))
                    found.append(json.loads(answers.read(int(headers[b"content-length"]))).keys())
            connection.shutdown(socket.SHUT_RDWR)
            sender.join()
        assert _most_memory(server) - before < 16 << 20
    assert found[::2] == [found[0]] * 100
    assert found[1::2] == [found[1]] * 100
    assert found[0] != found[1]


def test_a_body_of_many_small_chunks_is_read(packed):
    body = b'{"texts": ["w1"' + b" " * 100_000 + b"]}"
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    with service(packed["linear"], "--workers", 1) as server:
        with contextlib.closing(socket.create_connection(("127.0.0.1", server.port), 30)) as connection:
            connection.sendall(_CHUNKED.partition(b"d\r\n{")[0] + chunks)
            assert _answer(connection)[0] == 200
        assert server.end() == 0


def test_clients_that_read_nothing_of_their_streams_make_room(packed):
    words = ("--workers", 1, "--write-seconds", 1, "--max-under-way", 2)
    types = b"Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
    lines = b'{"text": "w1"}\n' * 5_000
    headers = {"Content-Type": "application/x-ndjson"}
    with service(packed["linear"], *words) as server, contextlib.closing(socket.socket()) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf.settimeout(3)
        deaf.connect(("127.0.0.1", server.port))
        deaf.sendall(b"POST /predict HTTP/1.1\r\nHost: it\r\n" + types)
        with contextlib.suppress(OSError):  # it is cut off, or takes no more
            while True:
                deaf.sendall(b"%x\r\n%b\r\n" % (len(lines), lines))
        deadline, status = time.monotonic() + 60, 429
        while status == 429 and time.monotonic() < deadline:
            status = server.ask("POST", "/predict", b'{"text": "w1"}\n', headers)[0]
            time.sleep(0.1)
        assert status == 200
        assert server.end() == 0


def test_a_file_whose_name_no_path_can_hold_is_refused(packed, tmp_path):
    file = Path(os.fsdecode(bytes(tmp_path) + b"/a\xff.djx"))
    file.write_bytes(packed["linear"].read_bytes())
    command = [sys.executable, "-m", "distill_jax.serve", str(file)]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "expected a path in UTF-8" in done.stderr


def test_a_worker_that_dies_is_replaced_and_its_numbers_stay(packed):
    with service(packed["linear"], "--workers", 1 + 1) as server:
        for _ in range(10):
            assert server.ask("POST", "/predict", _BODY)[0] == 200
        time.sleep(1.5)  # what was answered is counted each second
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
        if not children.exists():
            pytest.skip("this system does not name a process's children")
        victim = int(children.read_text().split()[0])
        os.kill(victim, signal.SIGKILL)
        assert server.wait_for("worker died")["died"] == victim
        time.sleep(1.5)
        for _ in range(10):
            assert server.ask("POST", "/predict", _BODY)[0] == 200
        time.sleep(1.5)
        metrics = server.ask("GET", "/metrics")[1].decode()
        assert 'distill_texts_total{model="linear"} 20' in metrics.splitlines()
        assert server.end() == 0


def test_a_killed_supervisor_s_workers_answer_what_is_under_way_and_free_the_port(packed):
    with service(packed["linear"], "--workers", 2) as server:
        with half_sent(server) as connection:
            server.process.kill()
            server.wait_for("supervisor died", 2)
            connection.sendall(_BODY[5:].encode())
            assert _answer(connection)[0] == 200
        server.wait_for("ended", 2)
        with pytest.raises(ConnectionRefusedError):
            server.connect().connect()


def test_several_students_answer_under_their_names_and_every_line_of_the_log_is_json(packed):
    names = ("linear", "cnn", "bilstm")
    with service(*(packed[name] for name in names), "--workers", 1, "--log-requests") as server:
        for name in names:
            assert server.ask("POST", f"/models/{name}/predict", _BODY)[0] == 200
        with contextlib.closing(socket.create_connection(("127.0.0.1", server.port), 30)) as connection:
            connection.sendall(b"no HTTP at all\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 400")
        assert server.end() == 0
    assert server.process.stderr.closed
    assert [line["path"] for line in server.log if line["event"] == "request"] == [
        f"/models/{name}/predict" for name in names
    ]
    assert {"listening", "draining", "ended"} <= {line["event"] for line in server.log}


def test_a_port_that_is_taken_and_a_file_that_is_none_are_refused_in_one_sentence(packed, tmp_path):
    def refused(*words):
        done = subprocess.run(
            [sys.executable, "-m", "distill_jax.serve", *map(str, words)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        return line

    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "cannot listen there" in refused(packed["linear"], "--port", taken.getsockname()[1])
    (tmp_path / "none.djx").write_bytes(b"nothing")
    assert "none.djx" in refused(tmp_path / "none.djx")
    assert "expected a file, found none" in refused(tmp_path / "missing.djx")
    assert "at least one packed student" in refused()
    assert "--workers" in refused(packed["linear"], "--workers", -1)


def test_without_the_extra_it_says_what_to_install(packed):
    done = command_alone("distill_jax.serve", packed["linear"])
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith('error: serving needs the extra serve: python -m pip install "distill-jax[serve]"')


@pytest.mark.parametrize("chunked", [False, True])
def test_an_offer_of_another_protocol_is_not_taken_and_the_request_is_answered(packed, chunked):
    """As curl --http2 makes it, and the JDK's HttpClient."""
    headers = {**_JSON, "Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__"}
    with service(packed["linear"], "--workers", 1) as server:
        expected = server.ask("POST", "/predict", _BODY)
        with contextlib.closing(server.connect()) as connection:
            for _ in range(3):
                body = iter([_BODY[:9].encode(), _BODY[9:].encode()]) if chunked else _BODY
                connection.request("POST", "/predict", body, headers, encode_chunked=chunked)
                answer = connection.getresponse()
                assert (answer.status, answer.read()) == expected
                connection.request("GET", "/health", headers=headers)
                assert connection.getresponse().read() == b'{"status": "ok"}'
                connection.request("POST", "/predict", b"", headers | {"Content-Type": "text/plain"})
                empty = connection.getresponse()
                assert (empty.status, empty.read()) == (200, b"")
                connection.request("POST", "/predict", _BODY, _JSON)
                assert connection.getresponse().read() == expected[1]
        assert server.end() == 0


def test_a_client_that_reads_slowly_gets_all_of_its_stream(packed):
    """Slower than its stream is made, for longer than one may read nothing."""
    lines, headers = b'{"text": "w1 w2"}\n' * 60_000, {"Content-Type": "application/x-ndjson"}
    with service(packed["linear"], "--workers", 1, "--write-seconds", 1.5, "--read-seconds", 1.5) as server:
        with contextlib.closing(server.connect()) as connection:
            connection.request("POST", "/predict", lines, headers)
            answer, found, started = connection.getresponse(), 0, time.monotonic()
            while part := answer.read1(1 << 16):
                found += part.count(b"\n")
                time.sleep(0.05)
        assert found == 60_000
        assert time.monotonic() - started > 3
        assert server.end() == 0
