"""The processes that run other people's code: `python -m torchstone.check.child`, with the parent's address in ADDRESS.

Three generations. The first has imported torch, and nothing else; it makes the second by a fork, which runs the
target's code; that makes the third, which answers the probes of one subject. Whichever dies, its parent makes another
in some milliseconds. Where there is no fork, one process is all three. Each talks to the checker over a connection of
its own; messages are JSON and safetensors, and nothing is unpickled.
"""

import contextlib
import os
import sys
import traceback
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Client, Connection
from typing import Any

from torchstone._limits import limit

ADDRESS, KEY, FORKS = "TORCHSTONE_ADDRESS", "TORCHSTONE_KEY", "TORCHSTONE_FORKS"
CAN_FORK = sys.platform == "linux"  # macOS has fork, but its libraries do not survive it

_MOST_SECONDS = 3600  # of one process: an endless loop ends even where its checker was killed

_settings: dict[str, str] = {}

Work = Callable[[dict[str, Any]], None]


def main() -> None:
    """Connect, and do what the checker says."""
    import numpy.random  # noqa: F401 (all that is needed is imported once, here)
    import safetensors.torch  # noqa: F401
    import torch._dynamo  # what a TorchDispatchMode imports when it is first used
    import torch.fx.experimental.symbolic_shapes  # what autograd imports when it is first used

    from torchstone.check import actions, describe, target  # noqa: F401

    # The target's code shall not find them.
    _settings.update({name: os.environ.pop(name) for name in (ADDRESS, KEY, FORKS)})
    # One thread: a process that has started more of them cannot be forked safely.
    torch.set_num_threads(1)
    actions.load()
    _lead(_connect("first"), _load)


def _connect(role: str) -> "Connection[Any, Any]":
    made = Client(_settings[ADDRESS], authkey=bytes.fromhex(_settings[KEY]))
    _send(made, {"role": role, "pid": os.getpid()})
    return made


def _send(connection: "Connection[Any, Any]", content: dict[str, Any]) -> None:
    from torchstone.check.probe import pack

    connection.send_bytes(pack(content, {}))


def _receive(connection: "Connection[Any, Any]") -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The next message; None where the checker has gone."""
    from torchstone.check.probe import unpack

    try:
        return unpack(connection.recv_bytes())
    except (EOFError, OSError):
        return None


def _lead(connection: "Connection[Any, Any]", work: Work) -> None:
    """Have every piece of work done by a process of its own, and tell how one ended."""
    while (message := _receive(connection)) is not None:
        content, _ = message
        if content["do"] == "status":
            _send(connection, {"status": _status(content["pid"])})
        else:
            _next_generation(connection, partial(work, content))
    _leave()


def _next_generation(connection: "Connection[Any, Any]", work: Callable[[], None]) -> None:
    """Do the work in a fork, or here where there is none."""
    if _settings[FORKS]:
        if os.fork():
            return
        connection.close()
        os.setpgid(0, 0)  # so that it can be ended with the processes it starts
    try:
        work()
    except BaseException:  # an interrupt, or a fault of ours
        traceback.print_exc()
        os._exit(1)
    _leave()


def _leave() -> None:
    with contextlib.suppress(Exception):  # the target may have closed it, or put its own in its place
        sys.stdout.flush()
    os._exit(0)  # what the target left to be done at exit is not waited for


def _status(pid: int) -> int | None:
    """How a child of ours ended: its exit status, or minus a signal."""
    try:
        _, status = os.waitpid(pid, 0)
    except OSError:
        return None
    return os.waitstatus_to_exitcode(status)


def _load(order: dict[str, Any]) -> None:
    """Run the target's code, tell what is in it, and hand out subjects."""
    from torchstone.check import held, target

    connection = _connect("loader")
    limit(_MOST_SECONDS)
    sys.dont_write_bytecode = True
    wanted = target.Target(order["where"], order["name"])
    sys.path.insert(0, target.neighbours(wanted))
    try:
        with held.subject_code("load"):
            loaded = target.load(wanted, order["skip"], lambda step: _send(connection, {"at": step}))
        things = {key: each.thing for key, each in target.by_target(loaded.found).items()}
        _send(connection, _contents(connection, loaded, order))
    except held.SubjectError as error:
        missing = isinstance(error.original, target.MissingError)
        _send(connection, {"missing": str(error.original)} if missing else {"error": str(error)})
    except Exception:
        _send(connection, {"fault": traceback.format_exc(limit=-4)})
    else:
        _lead(connection, lambda told: _serve(things[told["target"]], told["spec"]))


def _contents(connection: "Connection[Any, Any]", loaded: Any, order: dict[str, Any]) -> dict[str, Any]:
    """What was found, described. Building a thing runs its code: the checker is told which it is."""
    from torchstone.check import target
    from torchstone.check.describe import describe

    listed, passed = [], []
    for key, each in target.by_target(loaded.found).items():
        if key in order["skip"]:
            continue
        if not order["name"] and target.is_passed_over(each.thing):
            passed.append(each.name)
            continue
        _send(connection, {"at": key})
        description = describe(each.thing, order["kwargs"]).to_json()
        traits, line = _declared(each.thing), target.line_of(each.thing)
        listed.append({"target": key, "description": description, "traits": traits, "cell": each.cell, "line": line})
    return {"found": listed, "passed": passed, "remarks": loaded.remarks}


def _declared(thing: Any) -> dict[str, Any]:
    """The traits that the author declared."""
    from torchstone.check.traits import ATTRIBUTE

    declared = getattr(thing, ATTRIBUTE, {})
    return dict(declared) if isinstance(declared, dict) else {}


def _serve(thing: Any, spec: dict[str, Any]) -> None:
    """Answer the probes of one subject."""
    import torch

    from torchstone.check.actions import perform
    from torchstone.check.home import hold
    from torchstone.check.probe import Answer, Probe, pack
    from torchstone.check.spec import Spec

    torch.set_num_threads(1)  # the target may have asked for more: their threads did not survive the fork
    connection = _connect("worker")
    subject = hold(thing, Spec.from_json(spec))

    def packed(answer: Answer) -> bytes:
        keys = ("failure", "error", "during")
        return pack({"facts": dict(answer.facts), **{key: getattr(answer, key) for key in keys}}, answer.tensors)

    while (message := _receive(connection)) is not None:
        (content, tensors) = message
        answer = perform(subject, Probe(content["action"], content["options"], tensors))
        try:
            reply = packed(answer)
        except Exception:
            reply = packed(Answer(failure="fault", error=traceback.format_exc(limit=-4), during=content["action"]))
        connection.send_bytes(reply)


if __name__ == "__main__":
    main()
