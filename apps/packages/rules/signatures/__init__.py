"""What entrypoints take and return, learnt from their source by parsing it. Nothing is imported, nothing is run.

Codes: `missing_script` `missing_module` `missing_function` `not_a_function` `syntax_error` `not_utf8` `bad_character`
`too_complex` `source_too_big`; as warnings `signature_unknown` `signature_cut` `newer_python`.
"""

from apps.packages.rules.signatures.functions import Reader
from apps.packages.rules.signatures.known import Schema
from apps.packages.rules.signatures.library import Library
from apps.packages.rules.signatures.signature import Parameter, Passing, Signature

__all__ = ["Library", "Parameter", "Passing", "Reader", "Schema", "Signature"]
