# Knative's CRDs, and the ingress, which watches one of them.

await_build knative
step "Knative's CRDs"
LOG=$LOGS/kubectl.log
apply_crds "$RESOLVED/serving-types.yaml" >"$LOG" 2>&1 || fail "applying Knative's CRDs"

await_build traefik
step "ingress: Traefik on 127.0.0.1:$INGRESS_PORT"
manifest traefik.yaml | apply - >"$LOG" 2>&1 || fail "applying Traefik"
