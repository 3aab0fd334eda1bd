# Cluster DNS.

# deployed NAMESPACE: reports whether all deployments in it are available.
deployed() { kubectl -n "$1" wait --for=condition=Available deployment --all --timeout=1s; }

await_build coredns
step "DNS"
LOG=$LOGS/kubectl.log
manifest coredns.yaml | apply - >"$LOG" 2>&1 || fail "applying CoreDNS"
LOG=$LOGS/kubelet.log
await 120 "CoreDNS" deployed kube-system
