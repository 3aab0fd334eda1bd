# RabbitmqSource.

step "RabbitmqSource"
LOG=$LOGS/kubectl.log
apply "$RESOLVED/source-types.yaml" >"$LOG" 2>&1 || fail "applying RabbitmqSource's types"
kubectl wait --for=condition=Established crd --all --timeout=60s >>"$LOG" 2>&1 || fail "RabbitmqSource's types"
apply "$RESOLVED/source.yaml" >"$LOG" 2>&1 || fail "applying RabbitmqSource"
LOG=$LOGS/kubelet.log
await 180 "RabbitmqSource" deployed knative-sources
