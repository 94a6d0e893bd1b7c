"""The Dockerfile, really built by buildah, on a base of Debian's own Python where the registry cannot be reached.

Images are kept in the cache of this checkout: one is built again when the Dockerfile or functions/ has changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest

from contract.beam.prism import ENTRY
from kubernetes.rendering import SOURCE

FUNCTIONS: Final = SOURCE.parent / "functions"
DOCKERFILE: Final = SOURCE / "Dockerfile"
CACHE: Final = SOURCE.parent / ".cache" / "image"
# By variant.
REQUIREMENTS: Final = {
    "compiled": FUNCTIONS / "requirements-compiled.txt",
    "native": FUNCTIONS / "requirements.txt",
    "control": SOURCE / "requirements-control.txt",
    "beam": SOURCE / "requirements-beam.txt",
}
# Whose targets are named as they are, and are installed from the context `kit`.
COMMANDS: Final = ("beam", "control")
# What cloudbuild/image archives for these.
KIT: Final = (
    "LICENSE",
    "README.md",
    "pyproject.toml",
    "functions",
    "scripts/modelserve_control",
    "kubernetes/requirements-beam.txt",
    "kubernetes/requirements-control.txt",
)

MIRROR: Final = "http://deb.debian.org/debian"
# What the official image leaves out too.
LEFT_OUT: Final = (
    "usr/share/doc",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/man",
    "var/cache/apt",
    "var/lib/apt",
)
ROOM: Final = "/tmp/wheels"  # in the build's own file system

PULL_SECONDS, BUILD_SECONDS = 120.0, 900.0
PIP: Final = (sys.executable, "-m", "pip", "--disable-pip-version-check")


@dataclass(frozen=True, slots=True)
class Image:
    """`root` is its file system, which nobody writes to. `stands_in`: the base is not the registry's."""

    root: Path
    config: dict[str, Any]
    stands_in: bool

    @property
    def user(self) -> tuple[str, str]:
        user, _, group = self.config.get("User", "0:0").partition(":")
        return user, group

    @property
    def entry(self) -> list[str]:
        """Without the argument that says which server."""
        return list(self.config["Entrypoint"])


def why_not() -> str:
    """Why no image can be built here; empty when one can."""
    if not shutil.which("buildah"):
        return "buildah is not installed (apt-get install buildah mmdebstrap), so the image is not built"
    if os.geteuid() != 0:
        return "only root can build an image without a container runtime, so the image is not built"
    done = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True)
    return f"no mount is allowed here, so the image is not built: {done.stderr.strip()}" if done.returncode else ""


def command(driver: str, *arguments: str | Path) -> list[str | Path]:
    return ["buildah", "--root", CACHE / driver, "--runroot", CACHE / "run", "--storage-driver", driver, *arguments]


@cache
def driver() -> str:
    """How layers are kept: laid over each other where the kernel can, else each as a copy of all below it."""
    done = subprocess.run(command("overlay", "info"), capture_output=True, timeout=PULL_SECONDS)
    return "vfs" if done.returncode else "overlay"


def buildah(*arguments: str | Path, timeout: float = BUILD_SECONDS) -> str:
    """What it printed. CalledProcessError, which says what went wrong in `stderr`."""
    done = subprocess.run(command(driver(), *arguments), capture_output=True, text=True, timeout=timeout)
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        done.check_returncode()
    return done.stdout.strip()


def works(*arguments: str | Path, timeout: float = PULL_SECONDS) -> bool:
    try:
        buildah(*arguments, timeout=timeout)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return False
    return True


def base() -> str:
    """The Dockerfile's own base."""
    return default("BASE")


def default(argument: str) -> str:
    """Of an argument of the Dockerfile."""
    found = re.search(rf"^ARG {argument}=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert found
    return found[1]


def digest(variant: str) -> str:
    """Of all that an image is made from."""
    total = hashlib.sha256(f"{variant} {base()}".encode())
    roots = [SOURCE.parent / name for name in KIT] if variant in COMMANDS else [FUNCTIONS]
    for path in [DOCKERFILE, *sorted(path for root in roots for path in (root, *root.rglob("*")))]:
        if path.is_file() and "__pycache__" not in path.parts:
            total.update(f"{path.relative_to(SOURCE.parent)}\0".encode() + path.read_bytes())
    return total.hexdigest()[:16]


@contextmanager
def built(variant: str) -> Iterator[Image]:
    """The image of a variant, mounted. The test is skipped, with the reason, where it cannot be built."""
    if reason := why_not():
        pytest.skip(reason)
    CACHE.mkdir(parents=True, exist_ok=True)
    tag = f"localhost/modelserve-{variant}:{digest(variant)}"
    if not works("inspect", "--type", "image", tag):
        with ThreadPoolExecutor() as threads:
            wheels = threads.submit(download, variant)
            make_base()
            if variant == "beam":
                make_beam()
            build(variant, tag, wheels.result())
    container = buildah("from", "--pull-never", tag)
    try:
        yield Image(
            root=Path(buildah("mount", container)),
            config=json.loads(buildah("inspect", "--type", "image", tag))["OCIv1"]["config"],
            stands_in=(CACHE / "stands_in").exists(),
        )
    finally:
        buildah("rm", container)


def download(variant: str) -> Path:
    """The wheels of a variant, so that the build needs no network and no certificate of this machine's."""
    directory = CACHE / f"wheels-{variant}"
    words = [*PIP, "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    words += ["--requirement", str(REQUIREMENTS[variant]), "--dest", str(directory)]
    try:
        subprocess.run(words, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"the package index cannot be reached, so the image is not built: {error.stderr[-300:]}")
    return directory


def make_base() -> None:
    """The Dockerfile's base under its own name: the registry's, or Debian's Python of the same minor version."""
    if works("inspect", "--type", "image", base()) or works("pull", base()):
        return
    if not shutil.which("mmdebstrap"):
        pytest.skip("the registry cannot be reached and mmdebstrap is not installed, so the image is not built")
    with TemporaryDirectory(dir=CACHE) as directory:
        packages = "--include=ca-certificates,python3,python3-venv"
        words = ["mmdebstrap", "--quiet", "--variant=minbase", packages, "bookworm", directory, MIRROR]
        done = subprocess.run(words, capture_output=True, text=True, timeout=BUILD_SECONDS)
        if done.returncode:
            pytest.skip(
                f"neither the registry nor {MIRROR} can be reached, so the image is not built: {done.stderr[-300:]}"
            )
        for left_out in LEFT_OUT:
            shutil.rmtree(Path(directory, left_out), ignore_errors=True)
        container = buildah("from", "scratch")
        buildah("add", "--quiet", container, directory, "/")
        buildah("commit", "--quiet", "--rm", container, base())
    (CACHE / "stands_in").touch()


def make_beam() -> None:
    """Beam's own image, or only its entry point, as `.ci/run` builds it."""
    if works("inspect", "--type", "image", default("BEAM")) or works("pull", default("BEAM")):
        return
    if not ENTRY.is_file():
        pytest.skip(
            "neither the registry nor Beam's entry point is there (.ci/run builds it), so the image is not built"
        )
    container = buildah("from", "scratch")
    buildah("copy", "--quiet", container, ENTRY, "/opt/apache/beam/boot")
    buildah("commit", "--quiet", "--rm", container, default("BEAM"))


def build(variant: str, tag: str, wheels: Path) -> None:
    for old in json.loads(buildah("images", "--json")):
        if any(name.startswith(f"localhost/modelserve-{variant}:") for name in old.get("names") or []):
            buildah("rmi", "--force", old["id"])  # with what an interrupted run left of it
    with TemporaryDirectory() as scratch:
        config = Path(scratch, "pip.conf")
        config.write_text(f"[global]\nno-index = true\nfind-links = {ROOM}\n")
        buildah(
            "build", "--isolation", "chroot", "--pull-never", "--layers=false", "--tag", tag,
            "--build-arg", f"REQUIREMENTS={REQUIREMENTS[variant].name}", "--build-arg", "REVISION=0123abc",
            "--build-arg", f"KIT_REQUIREMENTS={REQUIREMENTS[variant].name}",
            *(("--target", variant, "--build-context", f"kit={kit(Path(scratch))}") if variant in COMMANDS else ()),
            "--volume", f"{wheels}:{ROOM}:ro", "--volume", f"{config}:/etc/pip.conf:ro",
            "--ignorefile", DOCKERFILE.with_name("Dockerfile.dockerignore"), "--file", DOCKERFILE, FUNCTIONS,
        )  # fmt: skip


def kit(directory: Path) -> Path:
    """The context from which the command is installed."""
    made = directory / "kit"
    for name in KIT:
        source, target = SOURCE.parent / name, made / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return made


# --- run as a container is ---

# As process 1 of its own, with a root that cannot be written to, /tmp in memory, the names of this machine, and no way back to more
# rights.
ENTER: Final = """
root=$1 user=$2 group=$3; shift 3
mount --bind "$root" "$root" && mount -o remount,bind,ro "$root" && mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev"
if [ -e "$root/etc/hosts" ]; then mount --bind /etc/hosts "$root/etc/hosts"; fi
exec setpriv --no-new-privs --bounding-set=-all,+setuid,+setgid,+sys_chroot \
    chroot --groups= --userspec="$user:$group" "$root" "$@"
"""


def inside(image: Image, words: Sequence[str], **settings: str) -> list[str]:
    """How to run a command in the image with its own environment, user and working directory, and these settings."""
    environ = [*image.config["Env"], *(f"{name}={value}" for name, value in settings.items())]
    entered = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
    entered += ["sh", "-ec", ENTER, "sh", str(image.root), *image.user]
    return [*entered, "env", "--ignore-environment", f"--chdir={image.config['WorkingDir']}", *environ, *words]


def output(image: Image, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(inside(image, words), capture_output=True, text=True, timeout=60)


def build_on_request(request: pytest.FixtureRequest, target: str) -> Iterator[Image]:
    """A target that takes minutes."""
    if not request.config.getoption("--native", default=False):
        pytest.skip(f"the image of the target {target} takes minutes: --native builds it too")
    with built(target) as made:
        yield made
