"""Who this command is to a service that not everybody may call: an identity token from a command of the user's."""

from __future__ import annotations

import shlex
import subprocess
import time

from modelserve_control.refusals import NoIdentity

# Google's identity tokens live for an hour.
RENEW_SECONDS = 1_800.0
TIMEOUT_SECONDS = 60.0


class Identity:
    """`command` prints a token, for example `gcloud auth print-identity-token`; None: nothing is sent."""

    def __init__(self, command: str | None) -> None:
        self.command = shlex.split(command) if command else []
        self._token = ""
        self._until = 0.0

    def headers(self) -> dict[str, str]:
        if not self.command:
            return {}
        if time.monotonic() > self._until:
            self._token, self._until = self.fetched(), time.monotonic() + RENEW_SECONDS
        return {"authorization": f"Bearer {self._token}"}

    def fetched(self) -> str:
        """What the command writes on stderr is its own to tell, and goes there. The token is never repeated."""
        try:
            done = subprocess.run(self.command, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT_SECONDS, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            raise NoIdentity(f"--token-command failed: {type(error).__name__}.") from error
        token = done.stdout.strip()
        if not token or len(token.split()) != 1 or not token.isascii():
            raise NoIdentity("--token-command printed no token.")
        return token
