"""Files that jobs left, as callers see them."""

from __future__ import annotations

from rest_framework import serializers

from apps.core.api.rows import address_of
from apps.core.api.serializers import OutputSerializer
from apps.jobs.models import Artefact


class ArtefactOut(OutputSerializer):
    """A file that a job left for people and programs."""

    download_url = serializers.SerializerMethodField(help_text="Relative to the server's root.")

    class Meta:
        model = Artefact
        fields = [
            "id", "tenant", "folder", "job", "execution", "name", "content_type", "size_bytes", "sha256", "created_at",
            "download_url",
        ]  # fmt: skip

    def get_download_url(self, artefact: Artefact) -> str:
        return address_of("artefacts", artefact.pk, "download")
