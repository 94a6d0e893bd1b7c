"""`modelserve score` where Beam is installed: `score_parts.py OPTIONS`. Writes the counts as JSON."""

from __future__ import annotations

import json
import sys

from modelserve_control.batch.score import ScoreOptions, score
from modelserve_control.common.progress import Lines

if __name__ == "__main__":
    print(json.dumps(score(ScoreOptions(**json.loads(sys.argv[1])), Lines())))
