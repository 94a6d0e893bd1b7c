"""What stands in for a tool that needs the cloud: python stand_in.py TOOL ARGUMENTS...

It writes down what it was asked, and does what the first of the rules in the file STAND_INS says whose pattern is found
in the arguments. A call that no rule expects fails.

tool, args: whom the rule is for, and the pattern. says: what is printed. code: the exit status. writes: what the file
named by the pattern's group then holds; reads: what it must hold. posts: addresses that are then posted to. after: the
pattern of a call that must have been before, for this rule to count. environ: variables that must be set so.
"""

from __future__ import annotations

import json
import os
import re
import sys
import urllib.request
from pathlib import Path


def main(tool: str, *args: str) -> int:
    line = " ".join(args)
    with Path(os.environ["CALLS"]).open("a+") as calls:
        calls.write(f"{tool} {line}\n")
        calls.seek(0)
        before = calls.read()
    for rule in json.loads(Path(os.environ["STAND_INS"]).read_text()):
        found = re.search(rule["args"], line)
        if rule["tool"] == tool and found and re.search(rule.get("after", ""), before):
            break
    else:
        print(f"nobody expected this: {tool} {line}", file=sys.stderr)
        return 97
    if "reads" in rule and Path(found[1]).read_text() != rule["reads"]:
        print(f"{found[1]} is not what was saved", file=sys.stderr)
        return 1
    if missing := [name for name, value in rule.get("environ", {}).items() if os.environ.get(name) != value]:
        print(f"{missing} is not what it must be", file=sys.stderr)
        return 1
    if "writes" in rule:
        Path(found[1]).write_text(rule["writes"])
    for url in rule.get("posts", ()):
        with urllib.request.urlopen(urllib.request.Request(url, method="POST")):
            pass
    if rule.get("says"):
        print(rule["says"])
    return int(rule.get("code", 0))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
