"""What a package says of itself: `bvproject.yaml`, nested or flat, and the files that go with it in all their dialects.

Codes: `missing_file` `forbidden_folder` `file_too_big` `not_utf8` `bad_character` `bad_yaml` `bad_json` `too_complex`
`yaml_anchor` `yaml_tag` `duplicate_key` `bvproject` `name` `version` `type` `entrypoints` `entrypoint_name`
`entrypoint_default` `command`; as warnings `no_lock` `not_pinned` `entry_points` `manifest_json` `description`
`python_version` `dependencies` `workdir_unused`.
"""

from apps.packages.rules.manifests.identity import name_problem, version_key, version_problem
from apps.packages.rules.manifests.manifest import Entrypoint, Kind, Manifest
from apps.packages.rules.manifests.project import Project
from apps.packages.rules.manifests.reading import (
    ENTRY_POINTS,
    PROJECT,
    check_folders,
    read_manifest,
    read_project_file,
    root_of,
)

__all__ = [
    "ENTRY_POINTS",
    "PROJECT",
    "Entrypoint",
    "Kind",
    "Manifest",
    "Project",
    "check_folders",
    "name_problem",
    "read_manifest",
    "read_project_file",
    "root_of",
    "version_key",
    "version_problem",
]
