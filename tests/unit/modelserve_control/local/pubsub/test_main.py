from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys

from modelserve_control.common.processes import port_probe, with_sources

COMMAND = [sys.executable, "-m", "modelserve_control.local.pubsub"]


def test_the_first_line_is_the_address_and_sigterm_ends_the_server_cleanly() -> None:
    environ = with_sources(os.environ)
    with subprocess.Popen(COMMAND, env=environ, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            host = json.loads(server.stdout.readline())["host"]
            assert port_probe(host)()
            server.send_signal(signal.SIGTERM)
            assert server.wait(30) == 0
        finally:
            server.kill()


def test_a_port_that_is_taken_is_refused_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*COMMAND, "--port", port],
            env=with_sources(os.environ),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}; choose a free port, or 0." in done.stderr
    assert "Traceback" not in done.stderr
