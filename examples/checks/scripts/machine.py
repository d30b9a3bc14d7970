"""Print what this machine is. A script takes its parameters from the environment and answers by its exit code."""

import json
import os
import platform
import sys

wanted = json.loads(os.environ.get("BV_JOB_PARAMETERS", "{}"))
facts = {"system": platform.system(), "release": platform.release(), "python": platform.python_version()}
for name in wanted.get("facts", facts):
    if name not in facts:
        sys.exit(f"No such fact: {name}. There are: {', '.join(facts)}.")
    print(f"{name}: {facts[name]}")
