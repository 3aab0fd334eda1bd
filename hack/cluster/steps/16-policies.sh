# NetworkPolicies. The first packet of every connection from or to a pod waits until the
# program `policies` has decided about it. If the program dies, no pod can connect.

await_build policies
step "NetworkPolicies"
start policies "$BIN/policies" -kubeconfig "$KUBECONFIG_FILE" -queue "$POLICY_QUEUE" \
    -addresses "$STATE/cni/addresses/mp3converter-cluster" \
    -bundles "$RUN/containerd/io.containerd.runtime.v2.task/k8s.io"
queue_open() { grep -q "^ *$POLICY_QUEUE " /proc/net/netfilter/nfnetlink_queue; }
await 60 "the queue of policies" queue_open

# In the table mangle, so that an accepted packet still passes kube-proxy's rules in
# filter. Packets to an address of a service have no endpoint, and kube-proxy rejects
# them. Connections from the node to its pods are always allowed.
queue=(-m conntrack --ctstate NEW -j NFQUEUE --queue-num "$POLICY_QUEUE")
rule mangle FORWARD -s "$POD_RANGE" ! -d "$SERVICE_RANGE" "${queue[@]}"
rule mangle FORWARD ! -s "$POD_RANGE" -d "$POD_RANGE" "${queue[@]}"
rule mangle INPUT -i "$BRIDGE" -s "$POD_RANGE" "${queue[@]}"
