"""What hypothesis draws is held to nothing that a busy machine does: neither to its own deadline nor to its own pace."""

from hypothesis import HealthCheck, settings

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
