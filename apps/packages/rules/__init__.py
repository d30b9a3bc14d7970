"""The rules of packages: what a `.bvpackage` file must be, and what can be learnt from it.

Everything here is a pure function over bytes: no database, no settings, nothing is unpacked to disk and nothing of a
package is ever imported or run.

* `limits`: the numbers, in one frozen dataclass.
* `problems`: how a refusal is said (code, message, file, line, column).
* `archives`: the ZIP file itself and all its hazards.
* `manifests`: `bvproject.yaml` and its companions.
* `signatures`: what an entrypoint takes and returns, as a JSON Schema, learnt by parsing.
* `parameters`: whether a job's parameters fit such a schema.
* `validation`: all of the above over one file, every problem at once.
"""
