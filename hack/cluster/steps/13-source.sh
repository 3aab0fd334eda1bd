# RabbitmqSource.

step "RabbitmqSource"
LOG=$LOGS/kubectl.log
types "$RESOLVED/source-types.yaml" >"$LOG" 2>&1 || fail "RabbitmqSource's types"
modest "$RESOLVED/source.yaml" | apply - >"$LOG" 2>&1 || fail "applying RabbitmqSource"
LOG=$LOGS/kubelet.log
await 180 "RabbitmqSource" deployed knative-sources
