# SPDX-License-Identifier: Apache-2.0
"""Options: the table, the file, the command line, and what is wrong in them."""

import os
import pathlib
import signal
import subprocess

import pytest

from conftest import HOLOGRAMD, ROOT, Daemon, wait_for


def run(*arguments, **options):
    return subprocess.run([HOLOGRAMD, *arguments], capture_output=True, text=True, timeout=20,
                          **options)


def check(tmp_path, text):
    """--check-config on a file with TEXT; gives status and message with the path made short."""
    path = tmp_path / "c"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = run("--config", str(path), "--check-config")
    return done.returncode, (done.stdout + done.stderr).replace(str(path), "c").strip()


def test_the_file_in_the_tree_is_what_is_printed():
    """config/hologramd.conf documents every option with its default; it cannot fall behind."""
    printed = run("--print-config")
    assert printed.returncode == 0
    assert printed.stdout == (ROOT / "config" / "hologramd.conf").read_text(encoding="utf-8")


def test_every_option_is_documented():
    """Each key has a comment above it with its default and when a change takes effect."""
    lines = run("--print-config").stdout.splitlines()
    keys = [i for i, line in enumerate(lines) if line and line[0] not in "#["]
    assert len(keys) > 35
    for i in keys:
        assert "Default: " in lines[i - 1] and lines[i - 2].startswith("# "), lines[i]


def test_what_is_printed_is_read(tmp_path):
    """Printed, read, printed: the same; values that were set are in it."""
    path = tmp_path / "c"
    path.write_text(run("--set", "limits.payload_bytes_max=3MiB", "--set", "log.level=debug",
                        "--set", "server.socket_mode=0600", "--print-config").stdout)
    again = run("--config", str(path), "--print-config").stdout
    assert again == path.read_text()
    assert "\npayload_bytes_max = 3MiB\n" in again
    assert "\nlevel = debug\n" in again
    assert "\nsocket_mode = 0600\n" in again


def test_the_file_in_the_tree_is_valid():
    """The installed configuration passes its own check."""
    done = run("--config", str(ROOT / "config" / "hologramd.conf"), "--check-config")
    assert (done.returncode, done.stdout) == (0, "hologramd: the configuration is valid\n")


@pytest.mark.parametrize("text,reason", [
    ("[server]\nconections_max = 5\n", 'c:2: unknown option "conections_max" in section [server]'),
    ("[srver]\nconnections_max = 5\n", "c:2: unknown section [srver]"),
    ("connections_max = 5\n", "c:1: unknown section []"),
    ("[server]\n\nconnections_max = many\n",
     'c:3: server.connections_max: expected 1 to 65536 connections, got "many"'),
    ("[server]\nconnections_max = 0\n",
     'c:2: server.connections_max: expected 1 to 65536 connections, got "0"'),
    ("[server]\nconnections_max = 99999999999999999999\n",
     'c:2: server.connections_max: expected 1 to 65536 connections, got "99999999999999999999"'),
    ("[server]\nconnections_max = -1\n",
     'c:2: server.connections_max: expected 1 to 65536 connections, got "-1"'),
    ("[limits]\nmessage_bytes_max = 2MiB\n",
     'c:2: limits.message_bytes_max: expected 4096 to 1048576 bytes, got "2MiB"'),
    ("[engine]\nfusion = yes\n", 'c:2: engine.fusion: expected on or off, got "yes"'),
    ("[engine]\nexecutor = fast\n",
     'c:2: engine.executor: expected one of block|reference, got "fast"'),
    ("[server]\nsocket_mode = 0888\n",
     'c:2: server.socket_mode: expected octal permissions 0 to 0777, got "0888"'),
    ("[server]\nsocket = " + "x" * 150 + "\n",
     "c:2: server.socket: expected at most 127 characters, got 150"),
    ("[server]\nsocket =;x\n", "c:2: server.socket: semicolon or control character in the value"),
    ("[server]\nsocket = a\x07b\n",
     "c:2: server.socket: semicolon or control character in the value"),
    ("[log]\nlevel = info\nlevel = debug\n", "c:3: log.level is given twice"),
    ("[log]\nlevel info\n", "c:2: expected [section], key = value or a comment"),
    ("[log\n", "c:1: expected [section], key = value or a comment"),
    ("[log]\n# " + "x" * 300 + "\n", "c:2: line longer than 198 characters"),
    (b"[log]\nlev\0el = info\n", "c:2: NUL byte in the line"),
])
def test_a_wrong_line_is_refused(tmp_path, text, reason):
    """File, line and reason; exit status 2."""
    assert check(tmp_path, text) == (2, "hologramd: " + reason)


def test_a_missing_file_is_refused(tmp_path):
    """A file that is named must be there."""
    done = run("--config", str(tmp_path / "none"), "--check-config")
    assert done.returncode == 2
    assert done.stderr == f"hologramd: {tmp_path}/none: No such file or directory\n"


@pytest.mark.parametrize("option,reason", [
    (("--set", "log.levl=info"), "unknown option log.levl"),
    (("--set", "loglevel"), 'expected section.key=value, got "loglevel"'),
    (("--log-level", "loud"),
     'log.level: expected one of debug|info|warn|error|fatal, got "loud"'),
])
def test_a_wrong_override_is_refused(option, reason):
    """The same on the command line."""
    done = run(*option, "--check-config")
    assert (done.returncode, done.stderr) == (2, f"hologramd: {reason}\n")


def test_usage_errors():
    """Unknown options and stray arguments end with status 2."""
    assert run("--no-such-option").returncode == 2
    assert run("stray").returncode == 2


def test_version_and_help():
    """Both go to standard output and exit 0."""
    assert run("--version").stdout == "hologramd 0.1.0\n"
    assert "--print-config" in run("--help").stdout


@pytest.mark.parametrize("listen", ["localhost", "127.0.0.1", "127.0.0.1:99999", "[::1:9", "1:2:3"])
def test_a_wrong_http_address_is_refused(tmp_path, listen):
    """The daemon does not start, and says what it wants."""
    done = run("--socket", str(tmp_path / "s"), "--http", listen)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "hologramd: http.listen: expected address:port, [address]:port or off, "
        f'got "{listen}"')


def test_a_taken_http_port_is_refused(tmp_path):
    """Two daemons cannot have one port."""
    with Daemon() as daemon:
        listen = f"127.0.0.1:{daemon.http_port()}"
        done = run("--socket", str(tmp_path / "s"), "--http", listen)
        assert done.returncode == 1
        assert f"http.listen: {listen}: Address already in use" in done.stderr


def test_an_unknown_admin_group_is_refused(tmp_path):
    """A typo in who may administer must not pass for nobody."""
    done = run("--socket", str(tmp_path / "s"), "--http", "off", "--set",
               "server.admin_group=no-such-group")
    assert done.returncode == 1
    assert "hologramd: server.admin_group: unknown group no-such-group" in done.stderr


def test_the_socket_path_in_use(tmp_path):
    """A second daemon on the same path is refused, and the first goes on."""
    with Daemon() as daemon:
        done = run("--socket", str(daemon.path), "--http", "off")
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == f"hologramd: socket path in use: {daemon.path}"
        daemon.connect().close()


def test_a_foreign_server_on_the_path(tmp_path):
    """A socket that somebody else serves is not taken away."""
    import socket
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(path))
        other.listen()
        done = run("--socket", str(path), "--http", "off")
        assert done.returncode == 1
        assert f"hologramd: socket path in use: {path}" in done.stderr
    assert path.exists()


def test_a_file_on_the_path(tmp_path):
    """A file that is no socket is not removed."""
    path = tmp_path / "s"
    path.write_text("precious")
    done = run("--socket", str(path), "--http", "off")
    assert done.returncode == 1
    assert f"hologramd: socket {path}: something that is no socket is there" in done.stderr
    assert path.read_text() == "precious"


def test_a_stale_socket_is_replaced():
    """After kill -9 the next daemon takes over the path."""
    with Daemon() as daemon:
        daemon.process.kill()
        daemon.process.wait()
        assert daemon.path.exists()
        daemon.log_path.write_text("")
        daemon.start()
        daemon.connect().close()
    assert not daemon.path.exists()


def test_the_path_is_too_long(tmp_path):
    """The kernel's bound is named."""
    done = run("--socket", "/tmp/" + "x" * 110, "--http", "off")
    assert done.returncode == 1
    assert "hologramd: socket path: expected at most 107 characters, got 115" in done.stderr


@pytest.mark.parametrize("mode", [0o600, 0o666])
def test_the_socket_has_the_configured_mode(mode):
    """Who may connect is who may write to the socket."""
    with Daemon("--set", f"server.socket_mode={mode:o}") as daemon:
        assert daemon.path.stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("variable,socket_name", [("RUNTIME_DIRECTORY", "a"),
                                                  ("XDG_RUNTIME_DIR", "b")])
def test_default_paths(tmp_path, variable, socket_name):
    """Without a configured path the environment's directories are tried in order."""
    folder = tmp_path / socket_name
    folder.mkdir()
    daemon = Daemon(environment={variable: str(folder)}, start=False)
    position = daemon.command.index("--socket")
    del daemon.command[position:position + 2]
    if variable == "XDG_RUNTIME_DIR":
        daemon.environment.pop("RUNTIME_DIRECTORY", None)
    with daemon:
        daemon.start()
        daemon.path = folder / "hologram.sock"
        daemon.connect().close()


def test_sighup_reloads_what_can_be():
    """Log level and limits change; what needs a restart is named; new clients see the new limits."""
    text = "[limits]\nbatch_steps_max = {}\n[engine]\nworkers = {}\n[log]\nlevel = {}\n"
    with Daemon(config=text.format(10, 1, "info")) as daemon:
        with daemon.connect() as client:
            assert client.hello.limits.batch_steps_max == 10
            daemon.config_path.write_text(text.format(20, 2, "debug"))
            daemon.signal(signal.SIGHUP)
            wait_for(lambda: "configuration reloaded" in daemon.log(), what="reload")
            assert "a changed option needs a restart" in daemon.log()
            assert "engine.workers" in daemon.log()
            with daemon.connect() as later:
                assert later.hello.limits.batch_steps_max == 20
        wait_for(lambda: "connection closed" in daemon.log(), what="a debug line")


def test_sighup_with_a_wrong_file_changes_nothing():
    """The old options stay, the reason is logged, the daemon serves."""
    with Daemon(config="[limits]\nbatch_steps_max = 10\n") as daemon:
        daemon.config_path.write_text("[limits]\nbatch_steps_max = 20\nbatch_step_max = 1\n")
        daemon.signal(signal.SIGHUP)
        wait_for(lambda: "configuration not reloaded" in daemon.log(), what="refusal")
        assert "hologramd.conf:3: unknown option" in daemon.log()
        with daemon.connect() as client:
            assert client.hello.limits.batch_steps_max == 10


def test_descriptors_are_not_inherited():
    """Everything the daemon opens is close-on-exec."""
    with Daemon() as daemon:
        folder = pathlib.Path(f"/proc/{daemon.process.pid}/fdinfo")
        for entry in folder.iterdir():
            if int(entry.name) > 2:
                flags = next(line for line in entry.read_text().splitlines()
                             if line.startswith("flags:"))
                assert int(flags.split()[1], 8) & os.O_CLOEXEC, entry.name
