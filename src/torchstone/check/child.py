"""The processes that run other people's code: `python -m torchstone.check.child`, with the parent's address in ADDRESS.

Three generations. The first has imported torch, and nothing else; it makes the second by a fork, which runs the
target's code; that makes the third, which answers the probes of one subject. Whichever dies, its parent makes another
in some milliseconds. Where there is no fork, one process is all three. Each talks to the checker over a connection of
its own; messages are JSON and safetensors, and nothing is unpickled.
"""

import os
import sys
from multiprocessing.connection import Client, Connection
from typing import Any

ADDRESS, KEY = "TORCHSTONE_ADDRESS", "TORCHSTONE_KEY"
CAN_FORK = sys.platform == "linux"


def main() -> None:
    """Connect, and do what the checker says."""
    import numpy.random  # noqa: F401 (all that is needed is imported once, here)
    import safetensors.torch  # noqa: F401
    import torch

    from torchstone.check import actions, held, target  # noqa: F401

    # One thread: a process that has started more of them cannot be forked safely.
    torch.set_num_threads(1)
    actions.load()
    connection = _connect("first")
    while True:
        message = _receive(connection)
        if message is None:
            _leave()
        elif message["do"] == "load":
            _next_generation(connection, lambda told=message: _load(told))
        elif message["do"] == "status":
            _send(connection, {"status": _status(message["pid"])})


def _connect(role: str) -> "Connection[Any, Any]":
    made = Client(os.environ[ADDRESS], authkey=bytes.fromhex(os.environ[KEY]))
    _send(made, {"role": role, "pid": os.getpid()})
    return made


def _send(connection: "Connection[Any, Any]", content: dict[str, Any]) -> None:
    from torchstone.check.probe import pack

    connection.send_bytes(pack(content, {}))


def _receive(connection: "Connection[Any, Any]") -> dict[str, Any] | None:
    """The next message; None where the checker has gone."""
    from torchstone.check.probe import unpack

    try:
        return unpack(connection.recv_bytes())[0]
    except (EOFError, OSError):
        return None


def _leave() -> None:
    sys.stdout.flush()
    os._exit(0)  # what the subject left to be done at exit is not waited for


def _next_generation(connection: "Connection[Any, Any]", work: Any) -> None:
    """Do the work in a fork, or here where there is none."""
    if CAN_FORK and os.fork():
        return
    if CAN_FORK:
        connection.close()
        os.setpgid(0, 0)  # so that it can be ended with the processes it starts
    work()
    _leave()


def _status(pid: int) -> int | None:
    """How a child of ours ended: its exit status, or minus a signal."""
    try:
        _, status = os.waitpid(pid, 0)
    except (ChildProcessError, AttributeError):
        return None
    return os.waitstatus_to_exitcode(status)


def _load(message: dict[str, Any]) -> None:
    """Run the target's code, tell what is in it, and hand out subjects."""
    from torchstone.check import held, target
    from torchstone.check.describe import describe
    from torchstone.check.limits import limit

    connection = _connect("loader")
    limit()
    sys.dont_write_bytecode = True
    wanted = target.Target(message["where"], message["name"])
    sys.path.insert(0, target.neighbours(wanted))
    try:
        with held.subject_code("load"):
            loaded = target.load(wanted, message["skip"], lambda cell: _send(connection, {"cell": cell}))
    except held.SubjectError as error:
        missing = isinstance(error.original, target.MissingError)
        _send(connection, {"missing": str(error.original)} if missing else {"error": str(error)})
        return
    found = target.by_target(loaded.found)
    kwargs = message["kwargs"]
    listed = [
        {
            "target": key,
            "cell": each.cell,
            "description": describe(each.thing, kwargs).to_json(),
            **_extras(each.thing),
        }
        for key, each in found.items()
    ]
    _send(connection, {"found": listed, "remarks": loaded.remarks})
    while (told := _receive(connection)) is not None:
        if told["do"] == "status":
            _send(connection, {"status": _status(told["pid"])})
        else:
            thing = found[told["target"]].thing
            _next_generation(connection, lambda thing=thing, told=told: _serve(thing, told["spec"]))


def _extras(thing: Any) -> dict[str, Any]:
    """What is known of a thing beside its description: the traits that its author declared, and its module."""
    from torchstone.check.traits import ATTRIBUTE

    declared = getattr(thing, ATTRIBUTE, {})
    return {"traits": dict(declared) if isinstance(declared, dict) else {}}


def _serve(thing: Any, spec: dict[str, Any]) -> None:
    """Answer the probes of one subject."""
    from torchstone.check import held
    from torchstone.check.actions import perform
    from torchstone.check.probe import Probe, pack, unpack
    from torchstone.check.spec import Spec

    connection = _connect("worker")
    subject = held.Held(thing, Spec.from_json(spec))
    while True:
        try:
            content, tensors = unpack(connection.recv_bytes())
        except (EOFError, OSError):
            return
        answer = perform(subject, Probe(content["action"], content["options"], tensors))
        facts = {"facts": dict(answer.facts), "failure": answer.failure, "error": answer.error, "during": answer.during}
        connection.send_bytes(pack(facts, answer.tensors))


if __name__ == "__main__":
    main()
