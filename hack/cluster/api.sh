# Talking to the cluster's API: what the steps apply, and how.

kubectl() { command "$BIN/kubectl" --request-timeout=30s "$@"; }

# What is written in capitals in manifests/ is filled in here.
manifest() {
    sed "s/REGISTRY/$REGISTRY/g; s/DNS_IP/$DNS_IP/g; s/DOOR/$DOOR/g; s/DOMAIN/$DOMAIN/g" "$HERE/manifests/$1"
}

# apply FILE [MANAGER]: once for each content and cluster. Server-side, under a
# field manager for each source of fields, so that what is applied here takes away
# neither what a controller has written nor what another file has.
apply() {
    local content mark
    content=$(cat "$1")
    mark=$STATE/applied/$(sha256sum <<<"$content" | cut -c-32)
    [ ! -e "$mark" ] || return 0
    kubectl apply --server-side --force-conflicts --field-manager="mp3converter-${2:-cluster}" -f - <<<"$content" || return
    mkdir -p "$STATE/applied"
    touch "$mark"
}

# types FILE: resource types, and their acceptance by the API server.
types() {
    apply "$1" && kubectl wait --for=condition=Established --timeout=60s crd --all
}

# modest: what Knative asks to have reserved is meant for larger machines; on two
# cores it would leave little room for the functions.
modest() {
    awk '/^ +requests:/ { inside = 1 } /^ +limits:/ { inside = 0 }
         inside && /^ +cpu: / { sub(/cpu: .*/, "cpu: 20m"); inside = 0 } { print }' "$1"
}
