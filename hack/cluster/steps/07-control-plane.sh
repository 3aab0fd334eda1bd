# etcd, the API server, the controllers and the scheduler run as processes on the host,
# not as pods, so that each has one log file.

await_build kube
step "control plane: Kubernetes $("$BIN/kube-apiserver" --version | cut -d' ' -f2)"

# No fsync: after a crash of the machine the cluster is created again anyway.
start etcd etcd --name=node --data-dir="$STATE/etcd" --unsafe-no-fsync \
    --listen-client-urls="https://127.0.0.1:$ETCD_PORT" --advertise-client-urls="https://127.0.0.1:$ETCD_PORT" \
    --listen-peer-urls="http://127.0.0.1:$((ETCD_PORT + 1))" \
    --initial-advertise-peer-urls="http://127.0.0.1:$((ETCD_PORT + 1))" \
    --initial-cluster="node=http://127.0.0.1:$((ETCD_PORT + 1))" \
    --client-cert-auth --trusted-ca-file="$keys/ca.crt" --cert-file="$keys/server.crt" --key-file="$keys/server.key"
etcd_answers() {
    curl -sf -m 5 --cacert "$keys/ca.crt" --cert "$keys/server.crt" --key "$keys/server.key" \
        "https://127.0.0.1:$ETCD_PORT/health" | grep -q '"health":"\?true'
}
await 60 "etcd" etcd_answers

start apiserver "$BIN/kube-apiserver" --bind-address="$NODE_IP" --advertise-address="$NODE_IP" \
    --etcd-servers="https://127.0.0.1:$ETCD_PORT" --etcd-cafile="$keys/ca.crt" \
    --etcd-certfile="$keys/server.crt" --etcd-keyfile="$keys/server.key" \
    --client-ca-file="$keys/ca.crt" --tls-cert-file="$keys/server.crt" --tls-private-key-file="$keys/server.key" \
    --token-auth-file="$keys/tokens.csv" --authorization-mode=Node,RBAC --allow-privileged=true \
    --service-account-issuer=https://kubernetes.default.svc \
    --service-account-key-file="$keys/service-accounts.key" \
    --service-account-signing-key-file="$keys/service-accounts.key" \
    --service-cluster-ip-range="$SERVICE_RANGE" \
    --kubelet-client-certificate="$keys/server.crt" --kubelet-client-key="$keys/server.key" \
    --kubelet-preferred-address-types=InternalIP
await 120 "API server" kubectl get --raw /readyz

start controllers "$BIN/kube-controller-manager" --kubeconfig="$KUBECONFIG_FILE" --bind-address=127.0.0.1 \
    --service-account-private-key-file="$keys/service-accounts.key" --root-ca-file="$keys/ca.crt" \
    --use-service-account-credentials --cluster-cidr="$POD_RANGE" --leader-elect=false
start scheduler "$BIN/kube-scheduler" --kubeconfig="$KUBECONFIG_FILE" --bind-address=127.0.0.1 --leader-elect=false

LOG=$LOGS/controllers.log
await 60 "controllers (service account tokens)" kubectl get serviceaccount default
