"""Shapes in."""

from rest_framework import serializers

from apps.core.api.serializers import InputSerializer


class TestMailSerializer(InputSerializer):
    """Where a test mail goes."""

    to = serializers.EmailField(required=False, allow_blank=True, help_text="Left out: to your own address.")
