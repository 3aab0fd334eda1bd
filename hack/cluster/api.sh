# Functions that apply manifests to the cluster.

kubectl() { command "$BIN/kubectl" --request-timeout=30s "$@"; }

# Words in capitals in manifests/ are placeholders.
manifest() {
    sed "s/REGISTRY/$REGISTRY/g; s/DNS_IP/$DNS_IP/g; s/INGRESS_PORT/$INGRESS_PORT/g; s/DOMAIN/$DOMAIN/g" "$HERE/manifests/$1"
}

# apply FILE [MANAGER]: applies a manifest, unless the same content was already applied
# to this cluster. It is a server-side apply with one field manager for each source of
# fields, so that it removes no fields set by controllers or by other files.
apply() {
    local content mark
    content=$(cat "$1")
    mark=$STATE/applied/$(sha256sum <<<"$content" | cut -c-32)
    [ ! -e "$mark" ] || return 0
    kubectl apply --server-side --force-conflicts --field-manager="mp3converter-${2:-cluster}" -f - <<<"$content" || return
    mkdir -p "$STATE/applied"
    touch "$mark"
}

# apply_crds FILE: applies CRDs and waits until the API server has established them.
apply_crds() {
    apply "$1" && kubectl wait --for=condition=Established --timeout=60s crd --all
}

# reduce_cpu_requests FILE: prints the manifests with every CPU request set to 20m.
# Knative's own are meant for larger machines.
reduce_cpu_requests() {
    awk '/^ +requests:/ { inside = 1 } /^ +limits:/ { inside = 0 }
         inside && /^ +cpu: / { sub(/cpu: .*/, "cpu: 20m"); inside = 0 } { print }' "$1"
}
