"""What the kinds accept that Kubernetes itself does not know, as far as the manifests use them; anything else is refused.

Our own reading of the documents named beside each, because no package has Google's definitions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Schema = dict[str, Any]


def closed(required: Mapping[str, Schema], **optional: Schema) -> Schema:
    """An object with these fields and no others."""
    properties = {**required, **optional}
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(required),
        "additionalProperties": False,
    }


def several(items: Schema) -> Schema:
    return {"type": "array", "items": items, "minItems": 1}


def one_of(*words: str) -> Schema:
    return {"enum": list(words)}


def number(low: int, high: int) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high}


NAME: Final = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63}
TEXT: Final = {"type": "string", "minLength": 1}
FLAG: Final = {"type": "boolean"}
PATH: Final = {"type": "string", "pattern": "^/"}
PORT: Final = number(1, 65_535)
# As in ISO 8601's place Prometheus and the Gateway API have theirs.
DURATION: Final = {"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"}
WORDS: Final = {"type": "object", "additionalProperties": {"type": "string"}}
TARGET: Final = closed({"group": {"type": "string"}, "kind": TEXT, "name": NAME})
METADATA: Final = closed({"name": NAME, "namespace": NAME}, labels=WORDS, annotations=WORDS)


def kind(version: str, spec: Schema) -> Schema:
    return closed({"apiVersion": one_of(version), "kind": TEXT, "metadata": METADATA, "spec": spec})


# https://gateway-api.sigs.k8s.io/reference/spec/ and what of it GKE supports:
# https://cloud.google.com/kubernetes-engine/docs/how-to/gatewayclass-capabilities
FILTER: Final = {
    "oneOf": [
        closed(
            {
                "type": one_of("URLRewrite"),
                "urlRewrite": closed(
                    {"path": closed({"type": one_of("ReplacePrefixMatch"), "replacePrefixMatch": PATH})}
                ),
            }
        ),
        closed(
            {"type": one_of("RequestHeaderModifier"), "requestHeaderModifier": closed({"remove": several(TEXT)})},
        ),
    ]
}
SCHEMAS: Final[dict[str, Schema]] = {
    "Gateway": kind(
        "gateway.networking.k8s.io/v1",
        closed(
            {
                "gatewayClassName": one_of("gke-l7-global-external-managed"),
                "listeners": several(
                    closed(
                        {
                            "name": NAME,
                            "protocol": one_of("HTTPS"),
                            "port": PORT,
                            "tls": closed({"mode": one_of("Terminate"), "options": WORDS}),
                        },
                        allowedRoutes=closed({"namespaces": closed({"from": one_of("Same")})}),
                    )
                ),
            },
            addresses=several(closed({"type": one_of("NamedAddress"), "value": NAME})),
        ),
    ),
    "HTTPRoute": kind(
        "gateway.networking.k8s.io/v1",
        closed(
            {
                "parentRefs": several(closed({"name": NAME})),
                "rules": several(
                    closed(
                        {
                            "matches": several(
                                closed({"path": closed({"type": one_of("PathPrefix", "Exact"), "value": PATH})})
                            ),
                            "backendRefs": several(closed({"name": NAME, "port": PORT})),
                        },
                        filters=several(FILTER),
                    )
                ),
            }
        ),
    ),
    # https://cloud.google.com/kubernetes-engine/docs/how-to/configure-gateway-resources
    "GCPGatewayPolicy": kind(
        "networking.gke.io/v1", closed({"default": closed({"sslPolicy": NAME}), "targetRef": TARGET})
    ),
    "GCPBackendPolicy": kind(
        "networking.gke.io/v1",
        closed(
            {
                "default": closed(
                    {"securityPolicy": NAME},
                    connectionDraining=closed({"drainingTimeoutSec": number(0, 3_600)}),
                    logging=closed({"enabled": FLAG}, sampleRate=number(0, 1_000_000)),
                    timeoutSec=number(1, 86_400),
                ),
                "targetRef": TARGET,
            }
        ),
    ),
    "HealthCheckPolicy": kind(
        "networking.gke.io/v1",
        closed(
            {
                "default": closed(
                    {
                        "config": closed(
                            {
                                "type": one_of("HTTP"),
                                "httpHealthCheck": closed(
                                    {"requestPath": PATH}, portSpecification=one_of("USE_SERVING_PORT")
                                ),
                            }
                        )
                    },
                    checkIntervalSec=number(1, 300),
                    timeoutSec=number(1, 300),
                    healthyThreshold=number(1, 10),
                    unhealthyThreshold=number(1, 10),
                ),
                "targetRef": TARGET,
            }
        ),
    ),
    # https://cloud.google.com/stackdriver/docs/managed-prometheus/setup-managed
    "PodMonitoring": kind(
        "monitoring.googleapis.com/v1",
        closed(
            {
                "selector": closed({"matchLabels": WORDS}),
                "endpoints": several(closed({"port": {"type": ["string", "integer"]}}, path=PATH, interval=DURATION)),
            }
        ),
    ),
    # https://keda.sh/docs/latest/scalers/gcp-pub-sub/
    "ScaledObject": kind(
        "keda.sh/v1alpha1",
        closed(
            {
                "scaleTargetRef": closed({"name": NAME}),
                "triggers": several(
                    closed(
                        {
                            "type": one_of("gcp-pubsub"),
                            "metadata": closed(
                                {
                                    "subscriptionName": {
                                        "type": "string",
                                        "pattern": "^projects/[^/]+/subscriptions/[^/]+$",
                                    },
                                    "mode": one_of("SubscriptionSize", "OldestUnackedMessageAge"),
                                    "value": {"type": "string", "pattern": "^[0-9]+$"},
                                }
                            ),
                            "authenticationRef": closed({"name": NAME}),
                        }
                    )
                ),
            },
            minReplicaCount=number(0, 1_000),
            maxReplicaCount=number(1, 1_000),
            cooldownPeriod=number(0, 86_400),
        ),
    ),
    # https://keda.sh/docs/latest/authentication-providers/gcp-workload-identity/
    "TriggerAuthentication": kind("keda.sh/v1alpha1", closed({"podIdentity": closed({"provider": one_of("gcp")})})),
    # https://docs.cloud.google.com/kubernetes-engine/docs/how-to/autoscale-using-metrics
    "AutoscalingMetric": kind(
        "autoscaling.gke.io/v1beta1",
        closed({"metrics": several(closed({"promql": closed({"name": NAME, "query": TEXT})}))}),
    ),
}
