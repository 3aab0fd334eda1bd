# The image registry; the other builds push to it, so it comes early.

await_build tools
step "image registry: $REGISTRY"
if ! alive registry && ss -Hltn "sport = :$REGISTRY_PORT" | grep -q .; then
    fail "port $REGISTRY_PORT is in use; choose another with MP3_CLUSTER_REGISTRY_PORT"
fi
mkdir -p "$CACHE/registry"
start registry "$BIN/registry" -address "127.0.0.1:$REGISTRY_PORT" -directory "$CACHE/registry"
await 60 "image registry" curl -sf -m 5 "http://$REGISTRY/v2/"
