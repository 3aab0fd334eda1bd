# Generates the credentials that rabbitmq/ and databases/ need.

step "secrets"
LOG=$LOGS/secrets.log
PATH=$BIN:$PATH "$HERE/../secrets" >"$LOG" 2>&1 || fail "hack/secrets"
