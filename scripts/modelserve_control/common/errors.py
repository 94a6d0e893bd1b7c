"""The errors of the command. Each is a ServeError, so that `--json` prints the same error body as the functions."""

from http import HTTPStatus

from modelserve.core.errors import NotFound, PreconditionFailed, ServeError, VersionUnusable


class SourceUnusable(NotFound):
    code = "SOURCE_UNUSABLE"


class NoSignature(VersionUnusable):
    code = "NO_SIGNATURE"
    status = HTTPStatus.BAD_REQUEST


class ValidationFailed(VersionUnusable):
    """The model does not load, or does not score its sample, in a process like the server's."""

    code = "VALIDATION_FAILED"
    status = HTTPStatus.BAD_REQUEST


class UploadCorrupt(VersionUnusable):
    """The bucket holds other bytes than were validated. No manifest was written, so the version does not exist."""

    code = "UPLOAD_CORRUPT"


class VersionInUse(PreconditionFailed):
    code = "VERSION_IN_USE"


class NotCompiled(VersionUnusable):
    code = "NOT_COMPILED"
    status = HTTPStatus.BAD_REQUEST


class NotMerged(VersionUnusable):
    code = "NOT_MERGED"
    status = HTTPStatus.BAD_REQUEST


class NotPackaged(ServeError):
    code = "NOT_PACKAGED"
    status = HTTPStatus.BAD_REQUEST


class NoCheckout(ServeError):
    code = "NO_CHECKOUT"
    status = HTTPStatus.BAD_REQUEST


class PackagesMissing(ServeError):
    code = "PACKAGES_MISSING"
    status = HTTPStatus.BAD_REQUEST


class NoAvroForm(VersionUnusable):
    code = "NO_AVRO_FORM"
    status = HTTPStatus.BAD_REQUEST


class NoIdentity(ServeError):
    code = "NO_IDENTITY"
    status = HTTPStatus.UNAUTHORIZED


class ServiceUnusable(ServeError):
    """The address does not answer, rejects the caller, or is not a function of this kit."""

    code = "SERVICE_UNUSABLE"
    status = HTTPStatus.BAD_GATEWAY


class ServiceUnreachable(ServiceUnusable):
    """There was no answer; `reason` says why."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url} gives {reason}.")
        self.reason = reason


class NoProfile(VersionUnusable):
    code = "NO_PROFILE"
    status = HTTPStatus.BAD_REQUEST


class NothingCompared(ServeError):
    code = "NOTHING_COMPARED"
    status = HTTPStatus.BAD_REQUEST


class NothingScored(NothingCompared):
    """The version can score none of the rows."""


class BeyondThresholds(ServeError):
    """A version differs from the one in use by more than the thresholds allow; `details` are the exceeded limits."""

    code = "BEYOND_THRESHOLDS"
    status = HTTPStatus.CONFLICT


class NothingShadowed(ServeError):
    code = "NOTHING_SHADOWED"
    status = HTTPStatus.CONFLICT


class SubscriptionUnusable(ServeError):
    """Pub/Sub refuses to pull from the subscription. The same command resumes the release."""

    code = "SUBSCRIPTION_UNUSABLE"
    status = HTTPStatus.BAD_GATEWAY
    retryable = True


class RolledBack(ServeError):
    """A new version or revision failed its checks: the alias names the previous version, or the traffic is back."""

    code = "ROLLED_BACK"
    status = HTTPStatus.BAD_GATEWAY


class TrainingFailed(ServeError):
    """The command of a policy failed, or saved no model. The message ends with its last lines."""

    code = "TRAINING_FAILED"
    status = HTTPStatus.BAD_REQUEST


class RetrainingUnderWay(PreconditionFailed):
    code = "RETRAINING_UNDER_WAY"
