"""The child process that runs other people's code: `python -m torchstone.compare.child FOLDER`."""

import json
import os
import sys
from pathlib import Path

from torchstone._limits import limit


def main() -> None:
    """Do the tasks in a folder, one after another, and write each reply as it comes."""
    folder = Path(sys.argv[1]).resolve()
    if sys.path[:1] == [""]:
        del sys.path[0]  # nothing of the folder that the user is in may stand for a module of ours

    # All that is needed is imported before anybody else's code runs.
    import safetensors.torch  # noqa: F401
    import torch

    from torchstone.compare.actions import Bench, perform
    from torchstone.compare.catalogue import ENTRIES
    from torchstone.compare.subject import MissingError, load
    from torchstone.compare.task import Task, read_tensors, sentence, write_json, write_reply

    torch.set_num_threads(1)
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    like = load(job["like"])
    spec = job["spec"]
    limit(job["seconds"])
    _prefer(spec)
    outcome = {"missing": "", "error": ""}
    subject = None
    try:
        subject = load(spec)
    except MissingError as error:
        outcome["missing"] = str(error)
    except (Exception, SystemExit) as error:
        outcome["error"] = sentence(error)
    write_json(folder / "loaded.json", outcome)
    if subject is None:
        return
    bench = Bench(ENTRIES[job["definition"]], subject, like)
    for number, entry in enumerate(job["tasks"]):
        tensors = read_tensors(folder / f"task-{number}.safetensors")
        write_reply(folder, number, perform(bench, Task(entry["action"], "", entry["options"], tensors)))
    sys.stdout.flush()
    os._exit(0)  # what the subject left to be done at exit is not waited for


def _prefer(spec: str) -> None:
    """Let the subject import its neighbours: the modules in its file's folder, or in the folder we are in."""
    sys.dont_write_bytecode = True
    where = spec.rpartition(":")[0]
    sys.path.insert(0, str(Path(where).resolve().parent) if where.endswith(".py") else str(Path.cwd()))


if __name__ == "__main__":
    main()
