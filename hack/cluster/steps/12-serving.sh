# Knative Serving, and the settings that this cluster needs.

step "Knative Serving"
LOG=$LOGS/kubectl.log
# Retried, because ConfigMaps are rejected until the webhook that validates them is up.
applied_serving() { reduce_cpu_requests "$RESOLVED/serving.yaml" | apply - >"$LOG" 2>&1; }
await 120 "applying Knative Serving" applied_serving

LOG=$LOGS/kubelet.log
await 240 "Knative Serving's deployments" deployed knative-serving
LOG=$LOGS/kubectl.log
configured() { manifest serving-settings.yaml | apply - settings >"$LOG" 2>&1; }
await 60 "Knative Serving's settings" configured
LOG=$LOGS/kubelet.log
await 120 "Traefik" deployed traefik
