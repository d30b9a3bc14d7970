"""The calls of robots and running jobs about files: those of items that they hold, and those of file stores.

Whose program has an API key may make them as well.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from apps.core.api.files import condition_of, handed_out, read_field, received
from apps.core.api.identifiers import parse_id
from apps.core.api.plain import api_view
from apps.core.errors import NotFound
from apps.core.files.facts import read_name, read_path
from apps.queues import services as queues
from apps.queues.models import FileStore, ItemFile, ItemLease, StoredFile
from apps.queues.serializers.files import ItemFileOut, StoredFileOut
from apps.runner.authentication import Speaker, worker_of
from apps.runner.views.bv.queues import folder_near, the_one_near
from apps.runner.views.robots import reply

#: Files of a store that one answer lists.
MOST_LISTED: Final = 500


@api_view("GET")
def list_held(request: HttpRequest, lease: str) -> HttpResponseBase:
    """List the files of an item that the caller holds."""
    worker, held = _lease(request, lease)
    files = queues.held_files(held, actor=worker.actor).order_by("name")
    return reply({"items": ItemFileOut(files, many=True).data})


@api_view("GET", "PUT", "DELETE")
def held(request: HttpRequest, lease: str, name: str) -> HttpResponseBase:
    """Read, write or delete a file of an item that the caller holds."""
    worker, found = _lease(request, lease)
    called = read_field(read_name, name, "name")
    if request.method == "GET":
        files: Any = queues.held_files(found, actor=worker.actor).filter(name=called)
        return handed_out(request, _only(files), name=called, opened=queues.FILES.open)
    if request.method == "DELETE":
        queues.delete_held_file(found, actor=worker.actor, name=called, condition=condition_of(request))
        return HttpResponse(status=204)
    written = partial(queues.write_held_file, found, actor=worker.actor)
    return _written(request, called, written, limit=settings.ITEM_FILE_LIMIT_BYTES, shown=ItemFileOut)


@api_view("GET")
def list_stored(request: HttpRequest, store: str) -> HttpResponseBase:
    """List files of a store by path: those that begin with ``prefix``, from behind the path ``after``."""
    found = _store(request, worker_of(request), store)
    files = StoredFile.objects.filter(store=found).order_by("path")
    if prefix := request.GET.get("prefix", ""):
        files = files.filter(path__startswith=prefix)
    if after := request.GET.get("after", ""):
        files = files.filter(path__gt=after)
    page = list(files[: MOST_LISTED + 1])
    goes_on = page[MOST_LISTED - 1].path if len(page) > MOST_LISTED else None
    return reply({"items": StoredFileOut(page[:MOST_LISTED], many=True).data, "after": goes_on})


@api_view("GET", "PUT", "DELETE")
def stored(request: HttpRequest, store: str, path: str) -> HttpResponseBase:
    """Read, write or delete a file of a store."""
    worker = worker_of(request)
    found = _store(request, worker, store)
    called = read_field(read_path, path, "path")
    if request.method == "GET":
        file = _only(StoredFile.objects.filter(store=found, path=called))
        noted = partial(_note, found, worker)
        return handed_out(request, file, name=file.base_name, opened=queues.FILES.open, noted=noted)
    if request.method == "DELETE":
        queues.delete_stored_file(found, actor=worker.actor, path=called, condition=condition_of(request))
        return HttpResponse(status=204)
    written = partial(queues.write_stored_file, found, actor=worker.actor)
    return _written(request, called, written, limit=settings.STORED_FILE_LIMIT_BYTES, shown=StoredFileOut)


def _written(
    request: HttpRequest, name: str, write: Callable[..., queues.Written], *, limit: int, shown: Any
) -> HttpResponseBase:
    condition = condition_of(request)
    with received(request, queues.FILES, name=name, limit=limit, must_tell_sha256=True) as upload:
        written = write(upload=upload, condition=condition)
    return reply(shown(written.file).data, status=201 if written.is_new else 200)


def _note(store: FileStore, worker: Speaker, file: StoredFile) -> None:
    queues.note_stored_download(store, actor=worker.actor, file=file)


def _lease(request: HttpRequest, told: str) -> tuple[Speaker, ItemLease]:
    worker = worker_of(request)
    return worker, queues.find_lease(parse_id(told), actor=worker.actor)


def _only(files: Any) -> Any:
    file: ItemFile | StoredFile | None = files.first()
    if file is None:
        raise NotFound("There is no such file here.", code="unknown_file")
    return file


def _store(request: HttpRequest, worker: Speaker, told: str) -> FileStore:
    """Return a store by its id, or by its name, that of the caller's own folder first. Raises ``NotFound``."""
    known = FileStore.objects.alive().visible_to(worker.actor).select_related("folder")
    try:
        found = list(known.filter(pk=UUID(told)))
    except ValueError:
        found = list(known.filter(name__iexact=told)[:MOST_LISTED])
    if not found:
        raise NotFound(f"There is no file store “{told[:100]}” that you may use.", code="unknown_store")
    return the_one_near(found, folder_near(request, worker), field="store")
