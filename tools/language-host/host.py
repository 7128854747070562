"""Runs Pulumi programs written in Python: `pulumi` starts this, reads a port from it and calls it by gRPC.

It stands on a private class of the pinned SDK, the server the Automation API has for inline programs.
"""
# ruff: noqa: INP001, N802, ARG002 - a script, whose methods have the names and arguments gRPC calls them by

import os
import runpy
import signal
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi import RunError
from pulumi.automation._server import LanguageServer
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

STOP_WITHIN_S = 1.0  # a program that still runs when the engine is done has nobody left to talk to


def main() -> None:
    end, ending = os.pipe()  # a handler that sets an Event may interrupt the very wait whose lock it takes
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, lambda *_: os.write(ending, b"."))
    threading.Thread(target=_tell_the_engines_end, args=(ending,), daemon=True).start()
    server = grpc.server(ThreadPoolExecutor(max_workers=4), options=_GRPC_CHANNEL_OPTIONS)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(PythonHost(engine_address=sys.argv[-1]), server)
    sys.stdout.write(f"{server.add_insecure_port('127.0.0.1:0')}\n")
    sys.stdout.flush()
    server.start()
    os.read(end, 1)
    server.stop(STOP_WITHIN_S).wait()
    os._exit(0)  # an ordinary exit would wait for the program's thread


class PythonHost(LanguageServer):
    """The calls that preview, up, refresh and destroy make; any other is answered as not implemented."""

    def __init__(self, engine_address: str) -> None:
        super().__init__(program=lambda: None)
        self.engine_address = engine_address

    def Handshake(
        self, request: language_pb2.LanguageHandshakeRequest, context: grpc.ServicerContext
    ) -> language_pb2.LanguageHandshakeResponse:
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi"))

    def Run(
        self, request: language_pb2.RunRequest, context: grpc.ServicerContext
    ) -> language_pb2.RunResponse:
        os.chdir(request.pwd)
        request.args[:] = [self.engine_address]  # where the base class looks for it
        self.program = lambda: _run(Path(request.info.program_directory), request.info.entry_point)
        failed = bool(super().Run(request, context).error)  # type: ignore[no-untyped-call]
        # `bail` alone: the reason is in the log already, and `error` would show it twice.
        return language_pb2.RunResponse(bail=failed)


def _run(folder: Path, entry_point: str) -> None:
    sys.path.insert(0, str(folder))
    try:
        runpy.run_path(str(folder / entry_point), run_name="__main__")
    except RunError:
        raise
    except Exception as error:
        raise RunError(_without_our_frames(error)) from error


def _without_our_frames(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if frame.filename != __file__ and "runpy" not in frame.filename]
    return "".join(traceback.format_list(theirs) + traceback.format_exception_only(error))


def _tell_the_engines_end(ending: int) -> None:
    """An engine that was killed cannot say goodbye, but our stdin closes with it."""
    while os.read(0, 4096):
        pass
    os.write(ending, b".")


if __name__ == "__main__":
    main()
