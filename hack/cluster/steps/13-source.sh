# RabbitmqSource.

step "RabbitmqSource"
LOG=$LOGS/kubectl.log
apply_crds "$RESOLVED/source-types.yaml" >"$LOG" 2>&1 || fail "applying RabbitmqSource's CRDs"
reduce_cpu_requests "$RESOLVED/source.yaml" | apply - >"$LOG" 2>&1 || fail "applying RabbitmqSource"
LOG=$LOGS/kubelet.log
await 180 "RabbitmqSource" deployed knative-sources
