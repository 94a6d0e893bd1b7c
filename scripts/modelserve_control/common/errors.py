"""Why the command refuses. Each is a ServeError, so `--json` shows the same shape as the functions do."""

from __future__ import annotations

from http import HTTPStatus

from modelserve.core.errors import NotFound, PreconditionFailed, ServeError, VersionUnusable


class SourceUnusable(NotFound):
    """SOURCE leads to no MLflow directory."""

    code = "SOURCE_UNUSABLE"


class NoSignature(VersionUnusable):
    """Without a signature nothing that is sent can be checked."""

    code = "NO_SIGNATURE"
    status = HTTPStatus.BAD_REQUEST


class ValidationFailed(VersionUnusable):
    """The model does not load, or does not score its sample, in a process like the server's."""

    code = "VALIDATION_FAILED"
    status = HTTPStatus.BAD_REQUEST


class UploadCorrupt(VersionUnusable):
    """What the bucket holds is not what was validated; the version was left without a manifest, so it does not exist."""

    code = "UPLOAD_CORRUPT"


class VersionInUse(PreconditionFailed):
    """An alias, or what it would be rolled back to, names the version."""

    code = "VERSION_IN_USE"


class NotCompiled(VersionUnusable):
    """With --compile require."""

    code = "NOT_COMPILED"
    status = HTTPStatus.BAD_REQUEST


class NotMerged(VersionUnusable):
    """With --merge require."""

    code = "NOT_MERGED"
    status = HTTPStatus.BAD_REQUEST


class NotPackaged(ServeError):
    """functions/ is not what can be uploaded, or the archive cannot be written."""

    code = "NOT_PACKAGED"
    status = HTTPStatus.BAD_REQUEST


class NoCheckout(ServeError):
    """The command works on the source tree, and runs from an installed package."""

    code = "NO_CHECKOUT"
    status = HTTPStatus.BAD_REQUEST


class PackagesMissing(ServeError):
    """The command needs an extra of the package that is not installed."""

    code = "PACKAGES_MISSING"
    status = HTTPStatus.BAD_REQUEST


class NoAvroForm(VersionUnusable):
    """What the version takes or answers cannot be said in Avro, or is not known from its manifest."""

    code = "NO_AVRO_FORM"
    status = HTTPStatus.BAD_REQUEST


class NoIdentity(ServeError):
    """There is no identity token to call a service with."""

    code = "NO_IDENTITY"
    status = HTTPStatus.UNAUTHORIZED


class ServiceUnusable(ServeError):
    """The address does not answer, does not let us in, or is no function of this kit."""

    code = "SERVICE_UNUSABLE"
    status = HTTPStatus.BAD_GATEWAY


class NothingCompared(ServeError):
    """No row was scored by both sides, so nothing is known about their difference."""

    code = "NOTHING_COMPARED"
    status = HTTPStatus.BAD_REQUEST


class BeyondThresholds(ServeError):
    """A version differs more from the one in use than its thresholds allow; `details` are the limits that it passes."""

    code = "BEYOND_THRESHOLDS"
    status = HTTPStatus.CONFLICT


class NothingShadowed(ServeError):
    """Too few answers were compared with those of the new version while callers were served by the one in use."""

    code = "NOTHING_SHADOWED"
    status = HTTPStatus.CONFLICT


class SubscriptionUnusable(ServeError):
    """Pub/Sub does not let us pull from it; the same command goes on when it does."""

    code = "SUBSCRIPTION_UNUSABLE"
    status = HTTPStatus.BAD_GATEWAY
    retryable = True


class RolledBack(ServeError):
    """A released version, or a new revision, did not answer well: the alias names the one before it again, or the traffic is back."""

    code = "ROLLED_BACK"
    status = HTTPStatus.BAD_GATEWAY
