"""The program inside a job's process.

Run by its path with the job's own Python, so: standard library only, and nothing newer than Python 3.8. It reads a
request from standard input, makes ``print`` and ``logging`` arrive as log lines, calls the entrypoint, and leaves its
answer in a file. Nothing about the job is on its command line.
"""

from __future__ import annotations

import asyncio
import ctypes
import faulthandler
import importlib
import inspect
import json
import logging
import os
import runpy
import signal
import sys
import threading
import traceback
import types
from collections.abc import Awaitable, Callable
from types import FrameType, TracebackType
from typing import Any, TextIO

BUSINESS_ERRORS = {"BusinessError", "BusinessException"}
LONGEST_VARIABLE = 100_000
"""Characters of an environment variable; with much longer ones Linux starts no program."""
LONGEST_MESSAGE = 5_000
"""Characters of one log record; a longer text continues in the next."""
LONGEST_FIELDS = 2_000
CONNECTION = "bv_robot_connection"
"""The module, made here, in which ``bv_robot.job`` finds what only this process knows."""

Answer = dict  # of str to anything; not subscripted, for Python 3.8


class Terminated(SystemExit):
    """SIGTERM has come: unwind, so that ``finally`` blocks run, and end."""


class UnusableEntrypoint(Exception):
    """The package does not hold what its entrypoint names."""


class WrongParameters(Exception):
    """The entrypoint cannot be called with these parameters."""


def main() -> None:
    request = json.load(sys.stdin)
    close_input()
    die_with_supervisor(request["supervisor"])
    heed_endings(on_terminate)
    channel = Channel(request["marker"])
    set_up_output(channel)
    faulthandler.enable()  # What a crash in native code leaves of a traceback goes to the log as well.
    beside("child_lease.py")["end_with_lease"](request["control"], request["margin"])
    for told in beside("child_limits.py")["confine"](request["limits"]):
        channel.say(told, "WARN")
    connection = connect(request, channel)
    answer = answer_of(request)
    heed_endings(signal.SIG_IGN)
    level = answer.pop("level", "ERROR")
    for text in answer.pop("log", []):
        channel.say(text, level)
    write_answer(request["answer"], answer)
    for act in connection.at_end:
        act()
    sys.exit(answer["exit_code"])


def close_input() -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def die_with_supervisor(supervisor: int) -> None:
    """On Linux: have the kernel end this process when its supervisor dies, however that happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != supervisor:
            os._exit(1)


def beside(name: str) -> dict[str, Any]:
    """What a file beside this one defines, without a module that the job could find or stumble over."""
    return runpy.run_path(path_beside(name))


def path_beside(name: str) -> str:
    return os.path.join(os.path.dirname(__file__), name)


def heed_endings(handler: Any) -> None:
    """Decide what a wish to end does: SIGTERM, or on Windows Ctrl-Break."""
    signal.signal(getattr(signal, "SIGBREAK", signal.SIGTERM), handler)


def on_terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated("The job was asked to end.")


# Telling the job where it is


def connect(request: dict[str, Any], channel: Channel) -> Any:
    """Leave the job's own token, and the way into its log, where ``bv_robot.job`` looks: in memory, nowhere else."""
    connection: Any = types.ModuleType(CONNECTION)
    connection.token = request.get("token")
    connection.orchestrator = request.get("orchestrator") or {}
    connection.tell = channel.tell
    connection.at_end = []
    sys.modules[CONNECTION] = connection
    return connection


# Calling


def answer_of(request: dict[str, Any]) -> Answer:
    """Run the entrypoint and describe what came of it."""
    try:
        result = run(request)
    except SystemExit as leaving:
        return answer_of_exit(leaving)
    except WrongParameters as wrong:
        return failed("TypeError", str(wrong), "invalid_parameters")
    except UnusableEntrypoint as unusable:
        return failed("UnusableEntrypoint", str(unusable), "package_error")
    except BaseException as error:  # What an author's code may raise cannot be named.
        return answer_of_exception(error)
    return answer_of_result(result)


def answer_of_result(result: Any) -> Answer:
    try:
        text = json.dumps(result, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        return failed("ResultNotJson", f"The entrypoint returned {type(result).__name__}, which is not JSON: {error}")
    return {"outcome": "completed", "result": json.loads(text), "exit_code": 0}


def answer_of_exit(leaving: SystemExit) -> Answer:
    if isinstance(leaving, Terminated):  # Somebody's wish, which the log names already, and no error of the job.
        return {**failed(type(leaving).__name__, str(leaving)), "level": "WARN"}
    code = leaving.code
    if code is None or code == 0:
        return {"outcome": "completed", "result": None, "exit_code": 0}
    if isinstance(code, int):
        return failed("SystemExit", f"The job left with exit code {code}.", exit_code=code)
    return failed(type(leaving).__name__, str(code))


def answer_of_exception(error: BaseException) -> Answer:
    names = {kind.__name__ for kind in type(error).__mro__}
    is_business = bool(names & BUSINESS_ERRORS) or getattr(error, "is_business_error", False) is True
    shown = traceback.TracebackException(type(error), error, without_us(error.__traceback__))
    code = "business_error" if is_business else "application_error"
    return failed(type(error).__name__, str(shown), code, "".join(shown.format()))


def without_us(trace: TracebackType | None) -> TracebackType | None:
    """Leave the robot's own frames out of a traceback, unless there are no others."""
    modules = (runpy, importlib, asyncio.runners, asyncio.base_events)
    ours = {__file__, path_beside("child_runtime.py"), *(module.__file__ for module in modules)}
    theirs = trace
    while theirs is not None and (name := theirs.tb_frame.f_code.co_filename):
        if name not in ours and not name.startswith("<frozen "):
            break
        theirs = theirs.tb_next
    return theirs or trace


def failed(kind: str, message: str, code: str = "application_error", trace: str = "", *, exit_code: int = 1) -> Answer:
    error = {"type": kind, "message": message, "traceback": trace, "code": code}
    log = (trace or f"{kind}: {message}").splitlines()
    return {"outcome": "failed", "error": error, "exit_code": exit_code, "log": log}


def run(request: dict[str, Any]) -> Any:
    sys.path[:1] = request["path"]
    beside("child_runtime.py")["introduce"](request.get("token"), request.get("orchestrator"))
    if request["kind"] == "script":
        return run_script(request["target"], request["parameters"])
    return run_function(request["target"], request["parameters"])


def run_script(path: str, parameters: dict[str, Any]) -> None:
    text = json.dumps(parameters)
    if len(text) <= LONGEST_VARIABLE:
        os.environ["BV_JOB_PARAMETERS"] = text
    sys.argv = [path]
    runpy.run_path(path, run_name="__main__")


def run_function(target: str, parameters: dict[str, Any]) -> Any:
    result = bind(find_function(target), parameters)()
    return asyncio.run(awaited(result)) if inspect.isawaitable(result) else result


async def awaited(result: Awaitable[Any]) -> Any:
    return await result


def find_function(target: str) -> Callable[..., Any]:
    module, _, name = target.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and f"{module}.".startswith(f"{error.name}."):
            raise UnusableEntrypoint(f"The package has no module {module}.") from error
        raise
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise UnusableEntrypoint(f"The module {module} has no function {name}.")
    return found  # type: ignore[no-any-return]


def bind(function: Callable[..., Any], parameters: dict[str, Any]) -> Callable[[], Any]:
    """Match parameters to the signature by name; what it does not know is left out, and said in the log."""
    by_place, by_name = taken_by(function, parameters)
    ignored = sorted(set(parameters) - set(by_place) - set(by_name))
    if ignored:
        logging.getLogger("bv_robot").info("The entrypoint does not take: %s", ", ".join(ignored))
    args = [parameters[name] for name in by_place]
    kwargs = {name: parameters[name] for name in by_name}
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError as error:
        name = getattr(function, "__name__", "the entrypoint")
        raise WrongParameters(f"{name}() cannot be called with these parameters: {error}") from error
    return lambda: function(*args, **kwargs)


def taken_by(function: Callable[..., Any], parameters: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Which parameters the function takes by place (up to the first that is not given), and which by name."""
    kinds = {name: parameter.kind for name, parameter in inspect.signature(function).parameters.items()}
    positional = [name for name, kind in kinds.items() if kind is inspect.Parameter.POSITIONAL_ONLY]
    missing = next((index for index, name in enumerate(positional) if name not in parameters), len(positional))
    if inspect.Parameter.VAR_KEYWORD in kinds.values():
        named = [name for name in parameters if name not in positional]
    else:
        nameable = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        named = [name for name in parameters if kinds.get(name) in nameable]
    return positional[:missing], named


def write_answer(path: str, answer: Answer) -> None:
    staged = f"{path}.staged"
    with open(staged, "w", encoding="ascii") as file:
        json.dump(answer, file)
    os.replace(staged, path)


# Output


class Channel:
    """Log records, sent between the lines of standard output so that their order stays what the author sees.

    The descriptor is a copy: it still leads to the supervisor when the job redirects its output.
    """

    def __init__(self, marker: str) -> None:
        self._marker = marker
        self._stdout: TextIO = sys.stdout
        self._file = os.fdopen(os.dup(1), "wb", buffering=0)

    def say(self, message: str, level: str, at: float | None = None, fields: Any = None) -> None:
        self.write(self.line(message, level, at, fields))

    def tell(self, message: str, level: str, fields: dict[str, Any]) -> None:
        """One log line per line of text; fields that are too long are only named."""
        texts = message.splitlines() or [""]
        self.write("".join(self.line(text, level, None, short(fields)) for text in texts))

    def line(self, message: str, level: str, at: float | None, fields: Any) -> str:
        starts = range(0, max(len(message), 1), LONGEST_MESSAGE)
        pieces = [message[start : start + LONGEST_MESSAGE] for start in starts]
        records = [{"m": piece, "l": level, "t": at, "f": fields} for piece in pieces]
        return "".join(f"{self._marker}{json.dumps(record, default=str)}\n" for record in records)

    def write(self, text: str) -> None:
        self._stdout.flush()
        self._file.write(text.encode("ascii"))

    def flush(self) -> None:
        """For ``logging.StreamHandler``, which writes here as if this were a file."""


class Lines(logging.Formatter):
    """Turns a record into one log line per line of text, with its level, logger and extra fields."""

    known = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel

    def format(self, record: logging.LogRecord) -> str:
        fields = {name: value for name, value in vars(record).items() if name not in self.known}
        fields = {**short(fields), "logger": record.name}
        level = level_of(record.levelno)
        lines = super().format(record).splitlines() or [""]
        return "".join(self._channel.line(text, level, record.created, fields) for text in lines)


def short(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a log line, or only their names where they are too long or no JSON."""
    try:
        fits = len(json.dumps(fields, default=str)) <= LONGEST_FIELDS
    except (TypeError, ValueError, RecursionError):
        fits = False
    return fields if fits else {"left_out": sorted(fields)}


def level_of(number: int) -> str:
    for least, name in ((logging.ERROR, "ERROR"), (logging.WARNING, "WARN"), (logging.INFO, "INFO")):
        if number >= least:
            return name
    return "DEBUG" if number >= logging.DEBUG else "TRACE"


def set_up_output(channel: Channel) -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    handler: logging.StreamHandler[Any] = logging.StreamHandler(channel)
    handler.terminator = ""
    handler.setFormatter(Lines(channel))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    logging.basicConfig = basic_config_beside(handler, logging.basicConfig)
    threading.excepthook = on_thread_exception


def basic_config_beside(handler: logging.Handler, original: Callable[..., None]) -> Callable[..., None]:
    """``basicConfig`` does nothing once there is a handler; here the level, files and handlers asked for still count.

    A mere stream or format is left out: those lines arrive already, with their level.
    """

    def basic_config(**settings: Any) -> None:
        root = logging.getLogger()
        if {"filename", "handlers", "force"} & set(settings):
            root.removeHandler(handler)
            original(**settings)
            root.addHandler(handler)
        elif settings.get("level") is not None:
            root.setLevel(settings["level"])

    return basic_config


def on_thread_exception(hook: threading.ExceptHookArgs) -> None:
    if hook.exc_type is not SystemExit:
        name = hook.thread.name if hook.thread else "unknown"
        trace = (hook.exc_type, hook.exc_value or hook.exc_type(), hook.exc_traceback)
        logging.getLogger("threading").error("Exception in thread %s", name, exc_info=trace)


if __name__ == "__main__":
    main()
