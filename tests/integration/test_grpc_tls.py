# SPDX-License-Identifier: Apache-2.0
"""gRPC over TCP: plaintext on loopback only, TLS, mutual TLS, certificates right and wrong."""

import re
import shutil
import signal
import subprocess

import pytest
from grpc_client import Session, code_of, grpc, pb, service_pb2_grpc

from conftest import Daemon, wait_for

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


class Authority:
    """A certificate authority of the test's own, in FOLDER."""

    def __init__(self, folder, name):
        self.folder = folder
        self.name = name
        openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "2", "-subj",
                f"/CN={name}")

    def path(self, name):
        return self.folder / name

    def read(self, name):
        return self.path(name).read_bytes()

    def issue(self, name, host="localhost", days=2):
        """Gives NAME.key and NAME.pem; with DAYS < 0 it has expired."""
        openssl(self.folder, "req", "-new", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out",
                f"{name}.csr", "-subj", f"/CN={host}")
        self.path(f"{name}.ext").write_text(f"subjectAltName=DNS:{host}\n")
        openssl(self.folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{self.name}.pem",
                "-CAkey", f"{self.name}.key", "-CAcreateserial", "-out", f"{name}.pem", "-days",
                str(days), "-extfile", f"{name}.ext")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder, "authority")
    authority.issue("server")
    authority.issue("elsewhere", host="elsewhere.example")
    authority.issue("expired", days=-1)
    authority.issue("client", host="client")
    authority.issue("client_expired", host="client", days=-1)
    stranger = Authority(folder, "stranger")
    stranger.issue("stranger_client", host="client")
    return authority


def options(certificates, server="server", client_ca=False):
    chosen = ["--set", "grpc.tls_listen=127.0.0.1:0",
              "--set", f"grpc.tls_cert={certificates.path(server + '.pem')}",
              "--set", f"grpc.tls_key={certificates.path(server + '.key')}"]
    if client_ca:
        chosen += ["--set", f"grpc.tls_client_ca={certificates.path('authority.pem')}"]
    return chosen


def tls_port(daemon):
    return int(re.search(r"tls=127\.0\.0\.1:0 port=(\d+)", daemon.log())[1])


def connect(daemon, certificates, client=None, authority="authority"):
    """A channel that expects the server to be "localhost"."""
    credentials = grpc.ssl_channel_credentials(
        root_certificates=certificates.read(authority + ".pem"),
        private_key=certificates.read(client + ".key") if client else None,
        certificate_chain=certificates.read(client + ".pem") if client else None)
    return grpc.secure_channel(f"localhost:{tls_port(daemon)}", credentials,
                               options=(("grpc.use_local_subchannel_pool", 1),))


def ping(daemon, certificates, **how):
    with connect(daemon, certificates, **how) as link:
        return code_of(service_pb2_grpc.HologramStub(link).Ping, pb.Ping(), timeout=5)[0]


# ---- TLS ------------------------------------------------------------------------------------------


def test_tls(certificates):
    """Calls, sessions and streams work; the client is the remote user and no administrator."""
    with Daemon(*options(certificates)) as daemon, connect(daemon, certificates) as link:
        with Session(link) as session:
            assert not session.hello.admin
            session.alloc(1, 1 << 21, pb.U8)
            assert len(b"".join(p.data for p in session.ReadStream(pb.Read(id=1)))) == 1 << 21
            code, _ = code_of(session.ListBuffers, pb.ListBuffers(all_sessions=True))
            assert code == grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize("server, authority", [("elsewhere", "authority"), ("expired", "authority"),
                                               ("server", "stranger")])
def test_clients_refuse_a_wrong_server(certificates, server, authority):
    """A wrong name, an expired certificate, an authority that the client does not know."""
    with Daemon(*options(certificates, server)) as daemon:
        assert ping(daemon, certificates, authority=authority) == UNAVAILABLE


def test_plaintext_on_the_tls_port(certificates):
    """Gets nothing."""
    with Daemon(*options(certificates)) as daemon:
        with grpc.insecure_channel(f"localhost:{tls_port(daemon)}") as link:
            stub = service_pb2_grpc.HologramStub(link)
            assert code_of(stub.Ping, pb.Ping(), timeout=5)[0] == UNAVAILABLE
        assert ping(daemon, certificates) == grpc.StatusCode.OK


def test_idle_tls_connections_are_closed(certificates):
    """On its own port gRPC's library watches for connections without a call."""
    with Daemon(*options(certificates), "--set", "timeouts.idle_ms=1000") as daemon:
        with connect(daemon, certificates) as link:
            states = []
            link.subscribe(states.append)
            stub = service_pb2_grpc.HologramStub(link)
            stub.Ping(pb.Ping(), timeout=20)
            wait_for(lambda: states[-1] == grpc.ChannelConnectivity.IDLE, what="the end")
            stub.Ping(pb.Ping(), timeout=20)


# ---- mutual TLS -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mutual(certificates):
    with Daemon(*options(certificates, client_ca=True)) as daemon:
        yield daemon


@pytest.mark.parametrize("client, code", [("client", grpc.StatusCode.OK), (None, UNAVAILABLE),
                                          ("client_expired", UNAVAILABLE),
                                          ("stranger_client", UNAVAILABLE)])
def test_mutual_tls(mutual, certificates, client, code):
    """A client with the authority's certificate may; without one, expired or a stranger's, not."""
    assert ping(mutual, certificates, client=client) == code


# ---- certificates change --------------------------------------------------------------------------


def test_certificates_are_read_again_on_sighup(certificates, tmp_path):
    """New connections see the new one; what cannot be used leaves the old one in place."""
    for name in ("authority.pem", "client.key", "client.pem"):
        shutil.copy(certificates.path(name), tmp_path)
    for kind in ("key", "pem"):
        shutil.copy(certificates.path(f"expired.{kind}"), tmp_path / f"server.{kind}")
    own = Authority.__new__(Authority)
    own.folder, own.name = tmp_path, "authority"
    with Daemon(*options(own)) as daemon:
        assert ping(daemon, own) == UNAVAILABLE

        def reload(count):
            daemon.signal(signal.SIGHUP)
            wait_for(lambda: daemon.log().count("configuration reloaded") == count, what="reload")

        for kind in ("key", "pem"):
            shutil.copy(certificates.path(f"server.{kind}"), tmp_path / f"server.{kind}")
        reload(1)
        assert ping(daemon, own) == grpc.StatusCode.OK
        (tmp_path / "server.pem").unlink()
        reload(2)
        assert "certificates not reloaded" in daemon.log()
        assert ping(daemon, own) == grpc.StatusCode.OK
        (tmp_path / "server.pem").write_text("nothing of a certificate\n")
        reload(3)
        assert ping(daemon, own) == grpc.StatusCode.OK


# ---- plaintext ------------------------------------------------------------------------------------


def test_plaintext_on_loopback():
    """Works, as the remote user, without administration."""
    with Daemon("--set", "grpc.listen=127.0.0.1:0") as daemon:
        port = int(re.search(r"grpc=127\.0\.0\.1:(\d+)", daemon.log())[1])
        with grpc.insecure_channel(f"127.0.0.1:{port}") as link, Session(link) as session:
            assert not session.hello.admin
            session.alloc(1, 4)


def refused(*arguments):
    """What the daemon says when it does not start."""
    daemon = Daemon(*arguments, start=False)
    done = subprocess.run(daemon.command, capture_output=True, text=True, timeout=20)
    daemon.directory.cleanup()
    assert done.returncode == 1
    return done.stderr


def test_what_does_not_start(certificates):
    """Plaintext where others can reach it, certificates that are none, unknown users."""
    for address in ("0.0.0.0:0", "[::]:0"):
        assert "expected a loopback address" in refused("--set", f"grpc.listen={address}")
    assert "grpc.listen: expected address:port" in refused("--set", "grpc.listen=localhost")
    assert "grpc.tls_cert" in refused("--set", "grpc.tls_listen=127.0.0.1:0")
    mixed = options(certificates)
    mixed[5] = f"grpc.tls_key={certificates.path('client.key')}"
    assert "certificate and key" in refused(*mixed)
    assert "unknown user" in refused("--set", "grpc.remote_user=no-such-user")
