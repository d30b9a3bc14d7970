"""Why somebody may or may not: whom and what a question names, and the answer that the one who asks may be told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.apps import apps

from apps.accounts.models import User
from apps.core.actors import Actor
from apps.core.errors import Invalid, NotFound
from apps.rbac import services as rbac
from apps.rbac.rules import OF_THE_INSTALLATION, OPERATIONAL_APPS, is_known, permissions_on

#: So many people are named who could give what is missing.
MOST_GIVERS: Final = 10
_ID = r"(?P<id>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
#: A kind and an id, or the address of a page of the admin.
_NAMED = re.compile(rf"(?P<kind>[a-z]+):{_ID}|.*/admin/[a-z]+/(?P<page>[a-z]+)/{_ID.replace('id', 'of')}/.*")


@dataclass(frozen=True, slots=True)
class Explanation:
    """A user, a row (``None``: the whole installation), and the answer for each permission."""

    user: User
    row: Any
    answers: list[rbac.Answer]
    #: Who could give what is missing, by permission: as many as the one who asks may know.
    givers: dict[str, list[User]]


def explain_access(user: str, *, actor: Actor, named: str = "", only: str = "") -> Explanation:
    """Explain what a user (an id; empty: the one who asks) may do to what is named, as ``kind:id``.

    Raises ``NotFound`` alike for what is not there and what the one who asks may not see, ``Invalid`` for an unknown
    permission, and ``NotAllowed``.
    """
    person = _person(user, actor)
    row = row_named(named, actor) if named else None
    obj = rbac.EVERYWHERE if row is None else row
    wanted = [only] if only else _permissions_of(row)
    if not wanted or not all(map(is_known, wanted)):
        raise Invalid.field("permission", "name a permission that people can be given, such as jobs.cancel_job.")
    answers = rbac.explain(person, actor=actor, obj=obj, permissions=wanted)
    return Explanation(person, row, answers, _givers(answers, actor))


def row_named(named: str, actor: Actor) -> Any:
    """Return the row that a text names, by its kind and id or by its page. Raises ``Invalid``, ``NotFound``."""
    match = _NAMED.fullmatch(named.strip())
    model = explained_kinds().get((match["kind"] or match["page"]) if match else "")
    if match is None or model is None:
        kinds = ", ".join(sorted(explained_kinds()))
        raise Invalid.field("object", f"write a kind and an id, such as process:0193f3a0-…. Kinds are: {kinds}.")
    row = model._default_manager.all().visible_to(actor).filter(pk=UUID(match["id"] or match["of"])).first()
    if row is None:
        raise NotFound(f"There is no such {model._meta.verbose_name}.")
    return row


def explained_kinds() -> dict[str, Any]:
    """Return the kinds of rows that access to can be explained, by the word for them."""
    return {
        str(model._meta.model_name): model
        for app in OPERATIONAL_APPS
        for model in apps.get_app_config(app).get_models()
        if permissions_on(app, str(model._meta.model_name)) and hasattr(model._default_manager.all(), "visible_to")
    }


def _person(user: str, actor: Actor) -> User:
    if not user:
        if actor.user is None:
            raise Invalid.field("user", "name the user.")
        own: User = actor.user
        return own
    try:
        found: User | None = User.objects.visible_to(actor).filter(pk=UUID(user)).first()
    except ValueError:
        raise Invalid.field("user", "this is no id: ids are UUIDs.") from None
    if found is None:
        raise NotFound("There is no such user.")
    return found


def _permissions_of(row: Any) -> list[str]:
    if row is None:
        return list(OF_THE_INSTALLATION)
    return permissions_on(row._meta.app_label, str(row._meta.model_name))


def _givers(answers: list[rbac.Answer], actor: Actor) -> dict[str, list[User]]:
    every = {key for answer in answers for key in answer.givers}
    known = User.objects.visible_to(actor).filter(pk__in=every, is_active=True).order_by("username")
    users = list(known) if every else []
    return {
        answer.permission: [one for one in users if one.pk in answer.givers][:MOST_GIVERS]
        for answer in answers
        if not answer.is_allowed
    }
