#!/bin/bash
# mongod's command line and the variables of the image of MongoDB, translated for
# FerretDB. What has no equivalent (WiredTiger's cache, the key file by which
# members of a replica set know each other, …) is named in the log and ignored.
set -euo pipefail

[ "${1:-}" = mongod ] || exec "$@"
shift

from_file() {
    local file=${1}_FILE
    if [ -n "${!file:-}" ]; then export "$1"="$(cat "${!file}")"; fi
}
from_file MONGO_INITDB_ROOT_USERNAME
from_file MONGO_INITDB_ROOT_PASSWORD

export DO_NOT_TRACK=1 FERRETDB_HANDLER=sqlite FERRETDB_LISTEN_ADDR=:27017 FERRETDB_DEBUG_ADDR=- \
    FERRETDB_SQLITE_URL=file:/data/db/ FERRETDB_STATE_DIR=/data/db FERRETDB_LOG_LEVEL=warn
if [ -n "${MONGO_INITDB_ROOT_USERNAME:-}" ]; then
    export FERRETDB_TEST_ENABLE_NEW_AUTH=true FERRETDB_SETUP_DATABASE=admin \
        FERRETDB_SETUP_USERNAME=$MONGO_INITDB_ROOT_USERNAME \
        FERRETDB_SETUP_PASSWORD=$MONGO_INITDB_ROOT_PASSWORD
fi

while [ $# -gt 0 ]; do
    case $1 in
        --replSet) export FERRETDB_REPL_SET_NAME=$2; shift ;;
        --port) export FERRETDB_LISTEN_ADDR=:$2; shift ;;
        --bind_ip_all) ;;
        *) echo "substitute: ignored: $1" ;;
    esac
    shift
done
exec ferretdb
