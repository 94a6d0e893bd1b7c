"""For each policy the smallest change of the manifests that breaks it."""

from __future__ import annotations

from typing import Final

from infra.terraform import Change

POLICIES: Final = {
    "the_namespace_refuses_what_is_not_restricted": Change("base/namespace.yaml", "enforce: restricted", "enforce: baseline"),
    "pods_are_restricted": Change("base/http.yaml", "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true"),
    "the_root_is_read_only": Change("base/worker.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
    "tmp_is_bounded": Change("base/http.yaml", "emptyDir:\n            sizeLimit: 1Gi", "emptyDir: {}"),
    "images_are_pinned_by_digest": Change("base/worker.yaml", "image: modelserve", "image: europe-west1-docker.pkg.dev/p/r/modelserve:1"),
    "resources_are_bounded": Change("base/http.yaml", "            limits:\n              cpu: \"1\"\n              memory: 1Gi", "            limits:\n              cpu: \"1\"\n              memory: 2Gi"),
    "probes_ask_our_routes": Change("base/worker.yaml", "path: /health/ready", "path: /health/live"),
    "there_is_time_to_load": Change("base/worker.yaml", "failureThreshold: 120", "failureThreshold: 100"),
    "there_is_time_to_drain": Change("base/http.yaml", "terminationGracePeriodSeconds: 40", "terminationGracePeriodSeconds: 30"),
    "pods_are_who_terraform_knows": Change("overlays/prod/kustomization.yaml", "namespace: modelserve", "namespace: another"),
    "no_pod_holds_a_token": Change("base/identities.yaml", "automountServiceAccountToken: false", "automountServiceAccountToken: true"),
    "settings_are_ours": Change("base/kustomization.yaml", "- METRICS=true", "- METRIC=true"),
    "a_changed_setting_is_a_rollout": Change("base/kustomization.yaml", "  - name: settings\n", "  - name: settings\n    options: {disableNameSuffixHash: true}\n"),
    "everything_else_is_denied": Change("base/network.yaml", "policyTypes: [Ingress, Egress]", "policyTypes: [Ingress]"),
    "only_the_load_balancer_asks": Change("base/network.yaml", "cidr: 130.211.0.0/22", "cidr: 0.0.0.0/0"),
    "names_are_found": Change("base/network.yaml", "k8s-app: node-local-dns", "k8s-app: node-dns"),
    "the_metadata_server_is_reached": Change("base/network.yaml", "- port: 988", "- port: 80"),
    "only_google_is_called": Change("base/network.yaml", "except: [10.0.0.0/8, ", "except: ["),
    "the_gateway_is_terraforms": Change("base/gateway.yaml", "value: modelserve-gateway", "value: modelserve"),
    "nobody_goes_around_the_load_balancer": Change("base/gateway.yaml", "securityPolicy: modelserve-origin", "securityPolicy: modelserve-edge"),
    "the_token_goes_no_further": Change("base/gateway.yaml", "remove: [X-Modelserve-Origin]", "remove: [X-Origin]"),
    "metrics_are_not_for_everybody": Change("base/gateway.yaml", "value: /metrics", "value: /metric"),
    "a_pod_that_is_not_ready_gets_nothing": Change("base/gateway.yaml", "requestPath: /health/ready", "requestPath: /health/live"),
    "a_rollout_takes_no_pod_away_first": Change("base/worker.yaml", "maxUnavailable: 0", "maxUnavailable: 1"),
    "a_drain_takes_one_pod_at_a_time": Change("base/http.yaml", "maxUnavailable: 1", "maxUnavailable: 100%"),
    "one_autoscaler_decides": Change("base/http.yaml", "  revisionHistoryLimit: 3", "  revisionHistoryLimit: 3\n  replicas: 2"),
    "pods_are_spread": Change("base/worker.yaml", "topologyKey: kubernetes.io/hostname", "topologyKey: topology.kubernetes.io/region"),
    "what_is_named_exists": Change("base/gateway.yaml", "parentRefs:\n    - name: http", "parentRefs:\n    - name: gateway"),
}  # fmt: skip
