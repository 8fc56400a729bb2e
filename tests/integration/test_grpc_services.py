# SPDX-License-Identifier: Apache-2.0
"""Health and reflection, with stubs generated from Debian's own .proto files; the drain."""

import os
import re
import signal
import threading

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_client import (Session, alpha_pb2, alpha_pb2_grpc, channel, code_of, grpc, health_pb2,
                         health_pb2_grpc, pb, reflection_pb2, reflection_pb2_grpc, service_pb2,
                         service_pb2_grpc)

from conftest import ROOT, SANITIZED, Daemon, wait_for

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
SERVICES = ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection", "hologram.v1.Hologram"]
LONG = 5_000_000 if SANITIZED else 40_000_000  # elements whose GELU takes some tens of milliseconds


@pytest.fixture
def link(daemon):
    with channel(daemon.path) as opened:
        yield opened


def request_of(service):
    return health_pb2.HealthCheckRequest(service=service)


@pytest.mark.parametrize("service", ["", *SERVICES])
def test_health_of_each_service(link, service):
    """Check and Watch agree."""
    stub = health_pb2_grpc.HealthStub(link)
    assert stub.Check(request_of(service)).status == SERVING
    watch = stub.Watch(request_of(service))
    assert next(watch).status == SERVING
    watch.cancel()


def test_health_of_an_unknown_service(link):
    """Check says NOT_FOUND, Watch stays and says that it does not know it."""
    stub = health_pb2_grpc.HealthStub(link)
    assert code_of(stub.Check, request_of("nobody"))[0] == grpc.StatusCode.NOT_FOUND
    assert code_of(stub.Check, request_of("hologram"))[0] == grpc.StatusCode.NOT_FOUND
    watch = stub.Watch(request_of("nobody"))
    assert next(watch).status == SERVICE_UNKNOWN
    watch.cancel()


def test_health_refuses_garbage(link):
    """Bytes that are no HealthCheckRequest."""
    call = link.unary_unary("/grpc.health.v1.Health/Check")
    assert code_of(call, b"\x0a\xff", timeout=20)[0] == grpc.StatusCode.INVALID_ARGUMENT


REFLECTIONS = [(reflection_pb2, reflection_pb2_grpc), (alpha_pb2, alpha_pb2_grpc)]


@pytest.mark.parametrize("messages, stubs", REFLECTIONS, ids=["v1", "v1alpha"])
class TestReflection:
    """What grpcurl and ghz ask."""

    @staticmethod
    def ask(link, messages, stubs, **question):
        stub = stubs.ServerReflectionStub(link)
        request = messages.ServerReflectionRequest(host="h", **question)
        answers = list(stub.ServerReflectionInfo(iter([request]), timeout=20))
        assert len(answers) == 1
        assert (answers[0].valid_host, answers[0].original_request) == ("h", request)
        return answers[0]

    def test_lists_services(self, link, messages, stubs):
        """All four, each once."""
        answer = self.ask(link, messages, stubs, list_services="*")
        assert sorted(s.name for s in answer.list_services_response.service) == SERVICES

    @pytest.mark.parametrize("symbol", ["hologram.v1.Hologram", "hologram.v1.Hologram.Execute",
                                        "hologram.v1.Execute", "hologram.v1.DType",
                                        "grpc.health.v1.HealthCheckResponse.ServingStatus"])
    def test_files_of_a_symbol_make_a_pool(self, link, messages, stubs, symbol):
        """The files come in an order in which a client can load them, and define the symbol."""
        answer = self.ask(link, messages, stubs, file_containing_symbol=symbol)
        pool = descriptor_pool.DescriptorPool()
        for data in answer.file_descriptor_response.file_descriptor_proto:
            pool.Add(descriptor_pb2.FileDescriptorProto.FromString(data))
        assert pool.FindFileContainingSymbol(symbol) is not None

    def test_a_method_is_described_as_it_is_called(self, link, messages, stubs):
        """A client without .proto files can make the call from what it is told."""
        answer = self.ask(link, messages, stubs, file_by_filename="hologram/v1/service.proto")
        pool = descriptor_pool.DescriptorPool()
        for data in answer.file_descriptor_response.file_descriptor_proto:
            pool.Add(descriptor_pb2.FileDescriptorProto.FromString(data))
        methods = pool.FindServiceByName("hologram.v1.Hologram").methods_by_name
        assert methods["Execute"].input_type.full_name == "hologram.v1.Execute"
        source = (ROOT / "proto/hologram/v1/service.proto").read_text(encoding="utf-8")
        assert sorted(methods) == sorted(re.findall(r"^  rpc (\w+)", source, re.MULTILINE))

    @pytest.mark.parametrize("question", [{"file_by_filename": "no.proto"},
                                          {"file_containing_symbol": "hologram.v1.Nothing"},
                                          {"file_containing_symbol": "hologram"},
                                          {"file_containing_symbol": ""},
                                          {"all_extension_numbers_of_type": "no.Such"}])
    def test_what_there_is_not(self, link, messages, stubs, question):
        """NOT_FOUND in the answer; the stream goes on."""
        answer = self.ask(link, messages, stubs, **question)
        assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]

    def test_many_questions_on_one_stream(self, link, messages, stubs):
        """Answers come in order."""
        names = ["hologram/v1/service.proto", "no.proto"] * 500
        requests = (messages.ServerReflectionRequest(file_by_filename=name) for name in names)
        answers = list(stubs.ServerReflectionStub(link).ServerReflectionInfo(requests, timeout=60))
        assert [a.original_request.file_by_filename for a in answers] == names

    def test_garbage(self, link, messages, stubs):
        """Ends the stream with a reason."""
        service = messages.DESCRIPTOR.services_by_name["ServerReflection"].full_name
        call = link.stream_stream(f"/{service}/ServerReflectionInfo")
        code, _ = code_of(lambda: list(call(iter([b"\xff"]), timeout=20)))
        assert code == grpc.StatusCode.INVALID_ARGUMENT


# ---- the drain ------------------------------------------------------------------------------------


def test_a_drain_says_so_first_and_lets_calls_end():
    """Watches hear NOT_SERVING, a running call is answered, idle channels go, exit status 0."""
    with Daemon() as daemon, channel(daemon.path) as link, channel(daemon.path) as other:
        service_pb2_grpc.HologramStub(other).Ping(pb.Ping())
        watch = health_pb2_grpc.HealthStub(link).Watch(request_of(""))
        assert next(watch).status == SERVING
        session = Session(link)
        session.alloc(1, LONG)
        session.alloc(2, LONG)
        slow = session.Execute.future(pb.Execute(op="gelu", inputs=[1], outputs=[2]))
        native = daemon.connect()
        wait_for(lambda: native.stats().queue_depth or slow.running(), what="the call's start")
        stream = service_pb2_grpc.HologramStub(link).Session(iter([]))
        daemon.signal(signal.SIGTERM)
        assert next(watch).status == NOT_SERVING
        assert code_of(lambda: next(watch))[0] == grpc.StatusCode.UNAVAILABLE
        assert slow.exception(timeout=30) is None
        # It races with the drain: C core answers late calls by itself, with CANCELLED.
        assert code_of(lambda: list(stream))[0] in (grpc.StatusCode.OK, grpc.StatusCode.CANCELLED,
                                                    grpc.StatusCode.UNAVAILABLE)
        native.close()
        assert daemon.process.wait(10) == 0


def test_a_drain_ends_what_would_stay_for_ever():
    """Streams that wait for their peer do not hold up the daemon."""
    with Daemon("--set", "server.drain_ms=30000") as daemon, channel(daemon.path) as link:
        silent = threading.Event()

        def hello_then_nothing(first):
            yield first
            silent.wait(30)

        stub = service_pb2_grpc.HologramStub(link)
        hello = pb.Request(hello=pb.Hello(protocol_version_min=1, protocol_version_max=1))
        stream = stub.Session(hello_then_nothing(hello))
        assert next(stream).status.code == 0
        question = reflection_pb2.ServerReflectionRequest(list_services="*")
        reflection = reflection_pb2_grpc.ServerReflectionStub(link).ServerReflectionInfo(
            hello_then_nothing(question))
        next(reflection)
        daemon.signal(signal.SIGTERM)
        for call in (stream, reflection):
            assert code_of(lambda call=call: next(call))[0] == grpc.StatusCode.UNAVAILABLE
        assert daemon.process.wait(5) == 0
        silent.set()


def test_a_drain_has_an_end():
    """An upload that never goes on is cancelled when the time is up."""
    with Daemon("--set", "server.drain_ms=300") as daemon, channel(daemon.path) as link:
        silent = threading.Event()
        with Session(link) as session:
            session.alloc(1, 8)

            def half():
                yield pb.Write(id=1, data=b"x")
                silent.wait(30)

            upload = session.WriteStream.future(half())
            wait_for(lambda: session.Read(pb.Read(id=1)).data[0], what="the first chunk")
            session.close = lambda: None
        daemon.signal(signal.SIGTERM)
        assert upload.exception(timeout=20).code() in (grpc.StatusCode.CANCELLED,
                                                       grpc.StatusCode.UNAVAILABLE)
        silent.set()
        assert daemon.process.wait(5) == 0


def test_without_grpc_nothing_of_it_runs():
    """Off: native as ever, no thread, and HTTP/2 is no frame."""
    def threads(daemon):
        return len(os.listdir(f"/proc/{daemon.process.pid}/task"))

    with Daemon() as daemon:
        with_grpc = threads(daemon)
    with Daemon("--set", "grpc.enable=off") as daemon:
        assert threads(daemon) < with_grpc
        with daemon.connect() as client:
            assert client.ask(ping=pb.Ping()).code == 0
        with channel(daemon.path) as link:
            stub = service_pb2_grpc.HologramStub(link)
            assert code_of(stub.Ping, pb.Ping(), timeout=2)[0] in (
                grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
