"""Sharing single rows: who may do what to one of them, beside those who hold a role where it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, Final

from django import forms
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Model, QuerySet
from guardian.models import UserObjectPermission

from apps.accounts.models import User
from apps.core.actors import Actor
from apps.core.admin import display
from apps.core.admin.access import Links
from apps.core.admin.forms import OperatorForm
from apps.core.admin.operations import Operation
from apps.core.admin.panels import Table
from apps.rbac import services as rbac
from apps.rbac.models import Group, GroupObjectPermission

#: What can be shared of a row, by what it is: the permissions that are asked of the row and not of its place.
SHAREABLE: Final[Mapping[str, Mapping[str, str]]] = {
    "packages.package": {
        "packages.view_package": "See it and its versions",
        "packages.change_package": "Activate and deactivate its versions",
        "packages.delete_package": "Delete it and its versions",
    },
    "processes.process": {
        "processes.view_process": "See it",
        "processes.run_process": "Run it",
        "processes.change_process": "Change, enable and disable it",
        "processes.delete_process": "Delete it",
    },
    "jobs.job": {
        "jobs.view_job": "See it, its executions and logs",
        "jobs.cancel_job": "Stop, cancel and kill it",
        "jobs.retry_job": "Retry, resume and settle it",
        "jobs.prioritise_job": "Change its priority",
    },
    "queues.queue": {
        "queues.view_queue": "See it and how it does",
        "queues.change_queue": "Change it and its schema",
        "queues.pause_queue": "Pause and resume it",
        "queues.delete_queue": "Delete it",
    },
    "queues.filestore": {
        "queues.view_filestore": "See it and take files from it",
        "queues.change_filestore": "Rename and describe it",
        "queues.delete_filestore": "Delete it with its files",
    },
    "robots.machine": {
        "robots.view_machine": "See it",
        "robots.change_machine": "Change it",
        "robots.enrol_machine": "Make new keys for it",
        "robots.delete_machine": "Delete it",
    },
    "robots.enrolmentkey": {
        "robots.view_enrolmentkey": "See it",
        "robots.change_enrolmentkey": "Change it",
        "robots.rotate_enrolmentkey": "Replace it",
        "robots.delete_enrolmentkey": "Revoke it",
    },
    "robots.robot": {
        "robots.view_robot": "See it",
        "robots.change_robot": "Change, drain, maintain and disable it",
        "robots.rotate_robot": "Rotate its token",
        "robots.delete_robot": "Delete it",
    },
}
_WORDS: Final = {name: text for shareable in SHAREABLE.values() for name, text in shareable.items()}
#: The page of a user shows so many rows of each kind that are shared with them.
MOST_SHOWN = 50


def shares_of(row: Model) -> list[Any]:
    """Return what is shared of a row, group by group and person by person."""
    kind = ContentType.objects.get_for_model(row)
    shared = {"content_type": kind, "object_pk": str(row.pk)}
    groups = GroupObjectPermission.objects.filter(**shared).select_related("group", "permission__content_type")
    users = UserObjectPermission.objects.filter(**shared).select_related("user", "permission__content_type")
    return [*groups.order_by("group__name", "group", "pk"), *users.order_by("user__username", "pk")]


def holder_of(share: Any) -> Any:
    """Return the group or the user that something is shared with."""
    return share.group if isinstance(share, GroupObjectPermission) else share.user


class ShareForm(OperatorForm):
    """Asks whom to share a row with, and what they may do to it."""

    user = forms.ModelChoiceField(User.objects.all(), label="With whom", required=False, empty_label="Choose a user")
    group = forms.ModelChoiceField(
        Group.objects.all(), required=False, empty_label="Choose a group", label="Or a group"
    )
    permissions = forms.MultipleChoiceField(
        label="What they may do to it",
        widget=forms.CheckboxSelectMultiple,
        help_text="You can share only what you may do to it yourself.",
    )

    def offer(self) -> None:
        """Offer what this person may do to the row; to see it is ticked, as nothing else works without."""
        user: Any = self.fields["user"]
        user.queryset = user.queryset.filter(is_active=True)
        group: Any = self.fields["group"]
        group.queryset = rbac.visible_groups(self.actor)
        if not group.queryset.exists():
            del self.fields["group"]
        field: Any = self.fields["permissions"]
        names = SHAREABLE[self.row._meta.label_lower]
        held = [(name, text) for name, text in names.items() if rbac.allows(self.actor, name, self.row)]
        field.choices = held
        field.initial = [name for name, _ in held if ".view_" in name]


class UnshareForm(OperatorForm):
    """Asks what of it to take away from whom."""

    shares = forms.MultipleChoiceField(label="Take away", widget=forms.CheckboxSelectMultiple)

    def offer(self) -> None:
        self.known = {str(share.pk): share for share in shares_of(self.row)}
        field: Any = self.fields["shares"]
        field.choices = [(key, f"{holder_of(share)}: {_in_words(share)}") for key, share in self.known.items()]

    def clean_shares(self) -> list[Any]:
        """Return what was ticked."""
        return [self.known[key] for key in self.cleaned_data["shares"]]


@transaction.atomic
def share(
    row: Any, *, actor: Actor, permissions: Iterable[str], user: User | None = None, group: Group | None = None
) -> None:
    """Share a row: all that was ticked, or nothing."""
    for permission in permissions:
        rbac.share_object(row, actor=actor, user=user, group=group, permission=permission)


@transaction.atomic
def unshare(row: Any, *, actor: Actor, shares: Iterable[Any]) -> None:
    """Take away what was ticked, or nothing."""
    for one in shares:
        of_group = isinstance(one, GroupObjectPermission)
        holder = {"group": one.group} if of_group else {"user": one.user}
        rbac.unshare_object(row, actor=actor, permission=_name_of(one), **holder)


OPERATIONS: Final = (
    Operation(
        name="share",
        title="Share",
        permission="rbac.add_roleassignment",
        service=share,
        explain="Lets one person or group do something to this one thing, whatever roles they hold where it is.",
        form=ShareForm,
        icon="person_add",
        done="It is shared.",
    ),
    Operation(
        name="unshare",
        title="Stop sharing",
        permission="rbac.delete_roleassignment",
        service=unshare,
        explain="They may no longer do it from their next request on, unless a role lets them.",
        form=UnshareForm,
        icon="person_remove",
        tone="danger",
        done="It is not shared so any more.",
        applies=lambda row: bool(shares_of(row)),
    ),
)


def panels(row: Model, actor: Actor) -> list[Table]:
    """Return with whom a row is shared, where it is and the reader may know."""
    if not rbac.allows(actor, "rbac.view_roleassignment", row):
        return []
    link = Links(actor)
    rows = [
        [_called(holder, link), display.badges(_in_words(share) for share in shares)]
        for holder, shares in groupby(shares_of(row), key=holder_of)
    ]
    return [Table("Shared with", ["Who", "May"], rows, icon="person_add")] if rows else []


def shared_with(user: User, actor: Actor) -> list[Table]:
    """Return the single rows that are shared with a user, of those whose sharing the reader may know."""
    return _shared(UserObjectPermission.objects.filter(user=user), actor, is_own=user == actor.user)


def shared_with_group(group: Group, actor: Actor) -> list[Table]:
    """Return the single rows that are shared with a group, of those whose sharing the reader may know."""
    return _shared(GroupObjectPermission.objects.filter(group=group), actor)


def _shared(shares: QuerySet[Any], actor: Actor, *, is_own: bool = False) -> list[Table]:
    held: dict[Any, dict[str, list[str]]] = {}
    for share in shares.select_related("permission__content_type"):
        model = share.permission.content_type.model_class()
        held.setdefault(model, {}).setdefault(share.object_pk, []).append(_in_words(share))
    rows = [row for model, shared in held.items() for row in _rows(model, shared, actor, is_own=is_own)]
    return [Table("Shared with them", ["What", "May"], rows, icon="person_add")] if rows else []


def _called(holder: Any, link: Links) -> Any:
    return f"group {holder}" if isinstance(holder, Group) else link(holder)


def _rows(model: Any, shares: dict[str, list[str]], actor: Actor, *, is_own: bool) -> Iterator[list[Any]]:
    link, rows = Links(actor), model._default_manager.filter(pk__in=shares)
    known = rows if is_own else rbac.visible(rows, actor, "rbac.view_roleassignment")
    for row in known[:MOST_SHOWN]:
        yield [link(row, f"{model._meta.verbose_name} {row}"), display.badges(shares[str(row.pk)])]


def _name_of(share: Any) -> str:
    return f"{share.permission.content_type.app_label}.{share.permission.codename}"


def _in_words(share: Any) -> str:
    return _WORDS.get(_name_of(share), _name_of(share))
