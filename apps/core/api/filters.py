"""Narrowing lists by query parameters, every one of which must be known."""

from __future__ import annotations

from typing import Any

import django_filters
from django import forms
from django.db import models
from django.db.models import QuerySet
from django.forms.utils import ErrorDict
from django_filters.rest_framework import DjangoFilterBackend, FilterSet
from django_filters.widgets import SuffixedMultiWidget
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.core.api.identifiers import IdFilter
from apps.core.api.serializers import unknown_message
from apps.core.api.strict_json import shown
from apps.core.errors import Invalid, Problem

#: What the pages themselves understand.
PAGE_PARAMETERS = frozenset({"cursor", "page_size", "ordering"})
TEXT_LENGTH = 200


class TextFilter(django_filters.CharFilter):  # type: ignore[misc]
    """Rows whose text contains what was asked for, whatever the case."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("lookup_expr", "icontains")
        kwargs.setdefault("max_length", TEXT_LENGTH)
        super().__init__(*args, **kwargs)


class ApiFilterSet(FilterSet):  # type: ignore[misc]
    """The parameters of a list. Keys to other rows are given by id."""

    @property
    def errors(self) -> ErrorDict:
        """What is wrong, by the names of the parameters: those of a range are one field, but two parameters."""
        return ErrorDict({self._given_as(name): errors for name, errors in super().errors.items()})

    def _given_as(self, name: str) -> str:
        widget = self.form.fields[name].widget if name in self.form.fields else None
        if not isinstance(widget, SuffixedMultiWidget):
            return name
        return ", ".join(one for suffix in widget.suffixes if (one := f"{name}_{suffix}") in self.data) or name

    class Meta:
        filter_overrides = {
            models.UUIDField: {"filter_class": IdFilter},
            models.ForeignKey: {"filter_class": IdFilter},
            models.OneToOneField: {"filter_class": IdFilter},
        }


class ApiFilterBackend(DjangoFilterBackend):  # type: ignore[misc]
    """Applies a view's ``filterset_class``; refuses parameters that nothing reads, and one said twice in vain."""

    filterset_base = ApiFilterSet

    def filter_queryset(self, request: Request, queryset: QuerySet, view: APIView) -> QuerySet:
        filterset = self.get_filterset(request, queryset, view)
        single, several = _names(filterset.form if filterset else None)
        refuse_unknown_parameters(request, single | PAGE_PARAMETERS, several)
        narrowed: QuerySet = super().filter_queryset(request, queryset, view)
        return narrowed


def refuse_unknown_parameters(
    request: Request, single: frozenset[str] = frozenset(), several: frozenset[str] = frozenset()
) -> None:
    """Raise ``Invalid`` unless every parameter is known; those in ``single`` may be given once only."""
    problems = []
    for name, values in request.query_params.lists():
        if name not in single | several:
            message = unknown_message(name, single | several, kind="parameter")
            problems.append(Problem(shown(name), message, "unknown_parameter"))
        elif name in single and len(values) > 1:
            problems.append(Problem(name, "It is given more than once.", "repeated_parameter"))
    if problems:
        raise Invalid(" ".join(f"{problem.field}: {problem.message}" for problem in problems), problems=problems)


def _names(form: forms.Form | None) -> tuple[frozenset[str], frozenset[str]]:
    """Return the parameters a form reads: those with one value, and those with several."""
    single, several = set(), set()
    for name, field in (form.fields if form else {}).items():
        if isinstance(field.widget, SuffixedMultiWidget):
            single |= {f"{name}_{suffix}" if suffix else name for suffix in field.widget.suffixes}
        elif isinstance(field.widget, forms.SelectMultiple | forms.MultipleHiddenInput):
            several.add(name)
        else:
            single.add(name)
    return frozenset(single), frozenset(several)
