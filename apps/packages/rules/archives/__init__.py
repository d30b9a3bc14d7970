"""The ZIP file of a package: every hazard checked, single files read, nothing ever unpacked.

`opened` is the door. What it refuses, by code:

* the file: `too_big` `not_a_zip` `archive_comment` `trailing_bytes` `stray_bytes` `zip64` `many_parts` `empty_archive`
  `too_many_entries` `directory_too_big` `directory_damaged` `overlap` `unpacked_too_big` `ratio` `too_slow`
* an entry: `unsafe_name` `duplicate_name` `name_clash` `link` `special_file` `special_rights` `file_kind` `encrypted`
  `unknown_method` `unknown_feature` `extra_field` `header_differs` `ratio` `size_lies` `crc` `damaged`
"""

from apps.packages.rules.archives.contents import Damaged
from apps.packages.rules.archives.reader import Archive, Source, TooBig, digest, opened

__all__ = ["Archive", "Damaged", "Source", "TooBig", "digest", "opened"]
