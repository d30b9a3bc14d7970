"""Answers to people who look after machines."""

from __future__ import annotations

from rest_framework import serializers


class MachineKeyOut(serializers.Serializer):
    """A new enrolment key, shown this once."""

    machine_key = serializers.CharField(help_text="`bvm_…`. Keep it now.")
