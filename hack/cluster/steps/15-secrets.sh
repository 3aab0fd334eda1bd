# The credentials, so that `kubectl apply -f rabbitmq/ -f databases/` is next.

step "secrets"
LOG=$LOGS/secrets.log
PATH=$BIN:$PATH "$HERE/../secrets" >"$LOG" 2>&1 || fail "hack/secrets"
