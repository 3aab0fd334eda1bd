# A certificate authority, one certificate for the machine's own servers and
# clients, the key that signs service account tokens, and the administrator's
# token. Generated once for each cluster, and deleted with it.

keys=$STATE/keys
LOG=$LOGS/keys.log

make_keys() {
    mkdir -p "$keys.new"
    cd "$keys.new"
    openssl genrsa -out service-accounts.key 2048
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=mp3converter-cluster -keyout ca.key -out ca.crt
    # The API server presents it to its clients, to etcd and, as a member of
    # system:masters, to kubelet.
    openssl req -newkey rsa:2048 -nodes -subj /O=system:masters/CN=kube-apiserver -keyout server.key -out server.csr
    local names=localhost,kubernetes,kubernetes.default,kubernetes.default.svc,kubernetes.default.svc.cluster.local
    printf 'extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=DNS:%s,IP:127.0.0.1,IP:%s,IP:%s\n' \
        "${names//,/,DNS:}" "$NODE_IP" "$API_SERVICE_IP" >extensions
    openssl x509 -req -days 3650 -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial \
        -extfile extensions -out server.crt
    printf '%s,admin,admin,"system:masters"\n' "$(openssl rand -hex 24)" >tokens.csv
    chmod 600 -- *.key tokens.csv
    mv "$keys.new" "$keys"
}
if [ ! -e "$keys" ]; then
    step "keys and certificates"
    rm -rf "$keys.new"
    (make_keys) >"$LOG" 2>&1 || fail "generating keys"
fi

# Written on every run, because it is derived from the keys.
(umask 077 && cat >"$KUBECONFIG_FILE") <<YAML
apiVersion: v1
kind: Config
current-context: mp3converter-cluster
contexts: [{name: mp3converter-cluster, context: {cluster: mp3converter-cluster, user: admin}}]
clusters:
- name: mp3converter-cluster
  cluster:
    server: $API
    certificate-authority-data: $(base64 -w0 "$keys/ca.crt")
users: [{name: admin, user: {token: $(cut -d, -f1 "$keys/tokens.csv")}}]
YAML
export KUBECONFIG=$KUBECONFIG_FILE
